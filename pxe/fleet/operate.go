package fleet

import (
	"fmt"
	"time"
)

// Approve lets a machine be installed, and starts to count its attempts anew.
func (f *Fleet) Approve(id string) (Machine, error) {
	return f.operate(id, func(r *record) error {
		m := &r.Machine
		m.Approved, m.Attempts = true, 0
		m.note("approved", "by an operator", f.conf.Now)
		return nil
	})
}

// Reinstall lets a machine be installed again the next time that it boots
// from the network, which gives up the installation that it has.
func (f *Fleet) Reinstall(id string) (Machine, error) {
	return f.operate(id, func(r *record) error {
		m := &r.Machine
		switch m.State {
		case Enrolled, Ready, Failed, Seen:
		default:
			return fmt.Errorf("%w: machine %s is %s; allowed: enrolled, ready, failed or seen", ErrState, m.ID, m.State)
		}
		m.Installed, m.MayWipe, m.Approved, m.Attempts = false, true, true, 0
		m.Registered = time.Time{}
		r.Nonce = "" // no ticket of before counts any more
		m.note("to be installed again", "by an operator", f.conf.Now)
		return m.move(Seen, "", f.conf.Now)
	})
}

func (f *Fleet) operate(id string, do func(*record) error) (Machine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.find(id)
	if r == nil {
		return Machine{}, fmt.Errorf("%w: %q", ErrUnknown, id)
	}
	if err := f.change(r, do); err != nil {
		return Machine{}, err
	}
	r = f.records[r.Key]
	f.say("operator changed machine", &r.Machine)
	return f.shown(r), nil
}
