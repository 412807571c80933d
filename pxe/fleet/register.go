package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cairn-cloud/cairn/node/spec"
)

// A Controller takes the nodes that the fleet makes. ErrUnknown from State
// means that it has to be told of the node again.
type Controller interface {
	Register(context.Context, spec.Node) error
	State(ctx context.Context, node string) (string, error)
}

// stateReady is the controller's word for a node whose checks pass.
const stateReady = "ready"

// Pauses between two looks at the controller.
const (
	pause    = 2 * time.Second
	maxPause = 15 * time.Second
)

// Run tells the controller of each enrolled node until it acknowledges, then
// asks until the node is ready. It returns when the context ends.
func (f *Fleet) Run(ctx context.Context, c Controller) error {
	wait := pause
	for {
		if f.registerAll(ctx, c) {
			wait = pause
		} else {
			wait = min(2*wait, maxPause)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.wake:
		case <-time.After(wait):
		}
	}
}

// registerAll looks at each machine once; false means that the controller did
// not answer as it should.
func (f *Fleet) registerAll(ctx context.Context, c Controller) bool {
	ok := true
	for _, m := range f.Machines() {
		if m.Node == nil || !m.Installed || (m.State != Enrolled && m.State != Failed) {
			continue
		}
		if err := f.bring(ctx, c, m); err != nil && ctx.Err() == nil {
			ok = false
			f.wait(m, err)
		}
	}
	return ok
}

func (f *Fleet) bring(ctx context.Context, c Controller, m Machine) error {
	if m.Registered.IsZero() {
		if err := c.Register(ctx, *m.Node); err != nil {
			return fmt.Errorf("register with the controller: %w", err)
		}
		return f.with(m.ID, func(r *record) error {
			r.Machine.Registered = f.conf.Now()
			r.Machine.Wait = "the node's health checks"
			r.Machine.note("registered", "with the controller", f.conf.Now)
			f.say("node registered", &r.Machine, "node", m.Node.ID)
			return nil
		})
	}
	state, err := c.State(ctx, m.Node.ID)
	if errors.Is(err, ErrUnknown) {
		return f.with(m.ID, func(r *record) error { r.Machine.Registered = time.Time{}; return nil })
	}
	if err != nil {
		return fmt.Errorf("ask the controller for the node's state: %w", err)
	}
	if state != stateReady {
		return nil
	}
	return f.with(m.ID, func(r *record) error {
		r.Machine.Wait, r.Machine.Attempts = "", 0
		if err := r.Machine.move(Ready, "", f.conf.Now); err != nil {
			return err
		}
		f.say("machine ready", &r.Machine)
		return nil
	})
}

// with changes a machine that may have changed since it was looked at: one
// that an operator has sent back is left alone.
func (f *Fleet) with(id string, do func(*record) error) error {
	return f.durably(func() error {
		r := f.find(id)
		if r == nil || !r.Machine.Installed {
			return nil
		}
		return f.change(r, do)
	})
}

// wait writes down why a node is not registered or not ready, once.
func (f *Fleet) wait(m Machine, why error) {
	if m.Wait == why.Error() {
		return
	}
	f.conf.Log.Warn("machine waits", "machine", m.ID, "name", m.Name, "why", why)
	if err := f.with(m.ID, func(r *record) error { r.Machine.Wait = why.Error(); return nil }); err != nil {
		f.conf.Log.Error("machine not kept", "machine", m.ID, "err", err)
	}
}
