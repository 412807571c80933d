package fleet

import (
	"fmt"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Refresh has a machine that waits send its inventory again: a disk was put
// into it, say, or a cable plugged in. It is matched and checked anew.
func (f *Fleet) Refresh(id string) (Machine, error) {
	return f.operate(id, func(r *record) error {
		m := &r.Machine
		if m.State != Matched {
			return fmt.Errorf("%w: machine %s is %s; allowed: matched, while it waits", ErrState, m.ID, m.State)
		}
		r.refresh = true
		m.note("to send its inventory again", "by an operator", f.conf.Now)
		return nil
	})
}

// refreshed asks the machine for its inventory, where an operator wants it.
func (r *record) refreshed() (plan.Answer, bool) {
	if !r.refresh || r.Machine.State != Matched {
		return plan.Answer{}, false
	}
	return plan.Answer{Again: true, Wait: "a new inventory, which an operator asked for"}, true
}
