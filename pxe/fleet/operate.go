package fleet

import (
	"context"
	"errors"
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
		f.swarm.forget(r.Key)
		m.note("to be installed again", "by an operator", f.conf.Now)
		return m.move(Seen, "", f.conf.Now)
	})
}

func (f *Fleet) operate(id string, do func(*record) error) (m Machine, err error) {
	err = f.durably(func() error {
		r := f.find(id)
		if r == nil {
			return fmt.Errorf("%w: %q", ErrUnknown, id)
		}
		if err := f.change(r, do); err != nil {
			return err
		}
		r = f.records[r.Key]
		f.say("operator changed machine", &r.Machine)
		m = f.shown(r)
		return nil
	})
	if err != nil {
		return Machine{}, err
	}
	return m, nil
}

// A PowerRequest is what an operator wants of a machine's BMC. What is set is
// done in this order: Password, Eject, ISO, Boot, Action.
type PowerRequest struct {
	Password string `json:"password,omitempty"` // of the BMC; the deployer keeps it
	Action   string `json:"action"`             // on, off, stop, reset, cycle, or status: do nothing
	Boot     string `json:"boot,omitempty"`     // network, disk, cd or default, for the next boot
	ISO      string `json:"iso,omitempty"`      // URL of a medium that the machine sees as a CD
	Eject    bool   `json:"eject,omitempty"`    // take it out
}

// PowerStatus is the action that only asks.
const PowerStatus = "status"

// A PowerAnswer is the state of the machine's power after it.
type PowerAnswer struct {
	State string `json:"state"` // on, off, or a word of the BMC
}

// ErrBMC means that a BMC did not do what it was asked.
var ErrBMC = errors.New("BMC")

// Power switches a machine by its BMC. One that never booted is known by what
// rack.yaml says of it.
func (f *Fleet) Power(ctx context.Context, id string, p PowerRequest) (PowerAnswer, error) {
	if f.conf.Power == nil {
		return PowerAnswer{}, fmt.Errorf("%w: this deployer switches no machines", ErrDenied)
	}
	var m *Machine
	f.mu.Lock()
	if r := f.find(id); r != nil {
		c := r.Machine.clone()
		m = &c
	}
	f.mu.Unlock()
	state, err := f.conf.Power(ctx, id, m, p)
	f.conf.Log.Info("operator switches machine", "machine", id, "action", p.Action, "boot", p.Boot, "iso", p.ISO, "eject", p.Eject, "state", state, "err", err)
	if m != nil && err == nil && p.Action != PowerStatus {
		_, err = f.operate(m.ID, func(r *record) error {
			r.Machine.note("power "+p.Action, "by an operator", f.conf.Now)
			return nil
		})
	}
	return PowerAnswer{state}, err
}
