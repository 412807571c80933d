package fleet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// A Placer is Addresses that can give a machine the address that rack.yaml
// names for it. To ask again changes nothing; an address of another machine is
// refused.
type Placer interface {
	PinAt(mac string, a netip.Addr) error
}

// A Holder is Addresses that hold the permanent address of a machine at once,
// and write it down when keep is called, which is to be before anybody is told.
// An address that is not valid stands for any.
type Holder interface {
	Hold(mac string, a netip.Addr) (held netip.Addr, keep func() error, err error)
}

var errNoPlacer = errors.New("the addresses of this deployer cannot be chosen. Take address out of machines in rack.yaml")

// pin gives the machine of a plan the address that it keeps: the one that
// rack.yaml names, or one of the range.
func (f *Fleet) pin(p *plan.Plan) (netip.Addr, error) {
	if p.Founds {
		return p.Address, nil // outside the range, and nobody else's
	}
	if h, ok := f.conf.Addresses.(Holder); ok {
		a, keep, err := h.Hold(p.Management, p.Address)
		if err == nil {
			f.later(keep)
		}
		return a, err
	}
	if !p.Address.IsValid() {
		return f.conf.Addresses.Pin(p.Management)
	}
	placer, ok := f.conf.Addresses.(Placer)
	if !ok {
		return netip.Addr{}, fmt.Errorf("%s for %s: %w", p.Address, p.Management, errNoPlacer)
	}
	return p.Address, placer.PinAt(p.Management, p.Address)
}

// plan asks the planner for a role that has room and a name that nobody has.
// A machine that had either keeps it while rack.yaml allows.
func (f *Fleet) plan(r *record) (plan.Plan, error) {
	m := &r.Machine
	o := plan.Options{Version: f.conf.Version, Rule: m.rule(), Name: m.Name, Taken: map[string]int{}, Names: map[string]bool{}}
	for _, name := range f.conf.Reserved {
		o.Names[name] = true
		if rule := f.conf.Rack.RuleOf(name, true); rule != "" {
			o.Taken[rule]++
		}
	}
	for _, other := range f.records {
		if other.Key == r.Key {
			continue
		}
		if rule := other.Machine.rule(); rule != "" {
			o.Taken[rule]++
		}
		if other.Machine.Name != "" {
			o.Names[other.Machine.Name] = true
		}
	}
	return f.conf.Planner(*m.Inventory, f.rackFor(m), o)
}

// rule is the rule that the machine counts for; empty: none yet. Records of
// earlier versions have it in the plan alone.
func (m *Machine) rule() string {
	if m.Rule == "" && m.Plan != nil {
		return m.Plan.Rule
	}
	return m.Rule
}

// rackFor is the rack as it holds for the machine: an operator who asks for a
// reinstallation gives up the installation that is there.
func (f *Fleet) rackFor(m *Machine) *plan.Rack {
	if !m.MayWipe {
		return f.conf.Rack
	}
	rack := *f.conf.Rack
	rack.Rules = slices.Clone(rack.Rules)
	for i := range rack.Rules {
		r := &rack.Rules[i]
		giveUp(&r.Disk)
		r.Data = slices.Clone(r.Data)
		for j := range r.Data {
			giveUp(&r.Data[j].Disk)
		}
	}
	return &rack
}

func giveUp(d *plan.DiskRule) {
	if d.Wipe == plan.WipeNever {
		d.Wipe = plan.WipeCairn
	}
}
