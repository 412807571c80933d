package plan

import "slices"

// Known is what rack.yaml says of the machine, or nil.
func (r *Rack) Known(inv Inventory) *Known {
	i := slices.IndexFunc(r.Machines, func(k Known) bool { return k.is(&inv) })
	if i < 0 {
		return nil
	}
	return &r.Machines[i]
}
