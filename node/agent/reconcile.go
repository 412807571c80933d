package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cairn-cloud/cairn/node/guest"
	"github.com/cairn-cloud/cairn/node/spec"
)

// A reconciler is one round of one guest.
type reconciler struct {
	a     *Agent
	w     *worker
	rec   record // ours; keep writes it back
	again bool   // report even when nothing has changed
}

func (r *reconciler) run(ctx context.Context) error {
	if r.rec.Gone {
		r.report(spec.StateGone, "")
		return nil
	}
	switch r.rec.Desired.Power {
	case spec.PowerGone:
		return r.remove(ctx)
	case spec.PowerOff:
		return r.stop(ctx)
	default:
		return r.keepRunning(ctx)
	}
}

func (r *reconciler) id() string { return r.rec.Desired.ID }

func (r *reconciler) driver() (guest.Driver, error) {
	d, ok := r.a.needs.Drivers[r.rec.Desired.Guest.Driver]
	if !ok {
		return nil, fmt.Errorf("%w: driver is %q, which this host does not have", errBroken, r.rec.Desired.Guest.Driver)
	}
	return d, nil
}

// errNewer ends a round because a newer wanted state has come in.
var errNewer = errors.New("a newer wanted state has come in")

// keep makes changes of the record durable. It changes nothing when a newer
// wanted state has come in.
func (r *reconciler) keep(change func(*record)) error {
	r.a.mu.Lock()
	defer r.a.mu.Unlock()
	if r.w.rec.Desired.Generation != r.rec.Desired.Generation {
		return errNewer
	}
	change(&r.rec)
	next := *r.w.rec
	change(&next)
	if err := r.a.book.save(&next); err != nil {
		return fmt.Errorf("keep the record of %s: %w", r.id(), err)
	}
	r.w.rec = &next
	return nil
}

func (r *reconciler) report(s spec.State, step string) {
	r.a.out.put(spec.Report{ID: r.id(), Generation: r.rec.Desired.Generation, State: s, Step: step}, r.again)
	r.again = false
}

// point is where a test can kill the agent.
func (r *reconciler) point(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.a.options.Failpoint(name)
}

// keepRunning starts the guest when it has to, and looks after it.
func (r *reconciler) keepRunning(ctx context.Context) error {
	d, err := r.driver()
	if err != nil {
		return err
	}
	st, err := d.State(ctx, r.id())
	if err != nil && !errors.Is(err, guest.ErrAbsent) {
		return err
	}
	reboot := r.rec.Desired.Guest.RebootCount > r.rec.Reboots
	if st.Running && reboot {
		if st, err = r.beginReboot(ctx, d, st); err != nil {
			return err
		}
	}
	if !st.Running {
		if r.stoppedByItself() && !reboot {
			r.report(spec.StateStopped, "")
			return nil
		}
		if st, err = r.launch(ctx, d); err != nil {
			return err
		}
	}
	return r.lookAfter(ctx, st)
}

// stoppedByItself tells whether the guest has run for this wanted state since
// the machine started.
func (r *reconciler) stoppedByItself() bool {
	return r.rec.Boot == r.a.options.Boot && r.rec.Started == r.rec.Desired.Generation
}

// launch makes all that the guest needs and starts it.
func (r *reconciler) launch(ctx context.Context, d guest.Driver) (guest.State, error) {
	want := r.rec.Desired.Guest
	s := guest.Spec{
		ID: r.id(), Name: want.Name, VCPUs: want.VCPUs, MemoryMiB: want.MemoryMiB,
		Args: want.KernelArgs, IDBase: r.rec.IDBase, Console: r.a.needs.Store.Console(r.id()),
	}
	for i := range want.Ports {
		p := &want.Ports[i]
		s.NICs = append(s.NICs, guest.NIC{Device: p.TapName(), Bridge: r.a.options.Bridge, MAC: p.MAC, MTU: p.MTU})
	}
	steps := []struct {
		name string
		do   func() error
	}{
		{"image", func() error {
			return r.a.needs.Store.Prepare(ctx, want, &s, func(step string) { r.report(spec.StateBuilding, step) })
		}},
		{"network", func() error { return r.a.needs.Network.Connect(ctx, wiring(r.rec.Desired)) }},
		{"start", func() error { return d.Start(ctx, s) }},
	}
	for _, step := range steps {
		r.report(spec.StateBuilding, step.name)
		if err := r.point(ctx, "before "+step.name); err != nil {
			return guest.State{}, err
		}
		if err := step.do(); err != nil {
			return guest.State{}, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	if err := r.point(ctx, "after start"); err != nil {
		return guest.State{}, err
	}
	return d.State(ctx, r.id())
}

// lookAfter is for a guest that runs.
func (r *reconciler) lookAfter(ctx context.Context, st guest.State) error {
	generation, reboots := r.rec.Desired.Generation, r.rec.Desired.Guest.RebootCount
	if r.rec.Started != generation || r.rec.Boot != r.a.options.Boot || r.rec.Reboots != reboots {
		err := r.keep(func(rec *record) {
			rec.Started, rec.Boot, rec.Reboots, rec.Rebooting = generation, r.a.options.Boot, reboots, nil
		})
		if err != nil {
			return err
		}
	}
	if err := r.point(ctx, "before plug"); err != nil {
		return err
	}
	// The driver may have made the NICs just now.
	if err := r.a.needs.Network.Connect(ctx, wiring(r.rec.Desired)); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	r.a.consoles.Follow(r.id(), st.Console, r.a.needs.Store.Console(r.id()))
	if err := r.point(ctx, "before running"); err != nil {
		return err
	}
	r.report(spec.StateRunning, "")
	return nil
}

// beginReboot stops a guest that runs as it did when the reboot was asked
// for. It is done when another run of it is seen, so a crash between stop and
// record does not reboot it twice.
func (r *reconciler) beginReboot(ctx context.Context, d guest.Driver, st guest.State) (guest.State, error) {
	want := r.rec.Desired.Guest
	if r.rec.Rebooting == nil || r.rec.Rebooting.Count != want.RebootCount {
		err := r.keep(func(rec *record) { rec.Rebooting = &rebooting{Count: want.RebootCount, Run: st.Run} })
		if err != nil {
			return st, err
		}
	}
	if err := r.point(ctx, "before reboot"); err != nil {
		return st, err
	}
	if st.Run != r.rec.Rebooting.Run {
		return st, nil // it has happened
	}
	r.report(spec.StateBuilding, "reboot")
	if err := d.Stop(ctx, r.id(), want.HardReboot); err != nil {
		return st, fmt.Errorf("reboot: %w", err)
	}
	return guest.State{}, r.point(ctx, "in reboot")
}

// stop turns the guest off. Its ports and files stay.
func (r *reconciler) stop(ctx context.Context) error {
	d, err := r.driver()
	if err != nil {
		return err
	}
	if err := r.point(ctx, "before stop"); err != nil {
		return err
	}
	if err := d.Stop(ctx, r.id(), false); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	r.a.consoles.Forget(r.id())
	if err := r.point(ctx, "after stop"); err != nil {
		return err
	}
	if err := r.keep(func(rec *record) { rec.Reboots, rec.Rebooting = rec.Desired.Guest.RebootCount, nil }); err != nil {
		return err
	}
	r.report(spec.StateStopped, "")
	return nil
}

// remove leaves nothing but a tombstone.
func (r *reconciler) remove(ctx context.Context) error {
	steps := []struct {
		name string
		do   func() error
	}{
		{"delete", func() error {
			var errs []error
			for _, d := range r.a.needs.Drivers { // the wanted state may not say which
				errs = append(errs, d.Delete(ctx, r.id()))
			}
			return errors.Join(errs...)
		}},
		{"disconnect", func() error { return r.a.needs.Network.Disconnect(ctx, r.id()) }},
		{"files", func() error {
			r.a.consoles.Forget(r.id())
			return r.a.needs.Store.Remove(ctx, r.id())
		}},
		{"tombstone", func() error {
			return r.keep(func(rec *record) {
				// Keys and user data of somebody who is gone are not kept.
				rec.Gone, rec.GoneAt, rec.Desired.Guest = true, time.Now().UTC(), spec.Guest{}
			})
		}},
	}
	for _, s := range steps {
		if err := r.point(ctx, "before "+s.name); err != nil {
			return err
		}
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	r.report(spec.StateGone, "")
	return nil
}
