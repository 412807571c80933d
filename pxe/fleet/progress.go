package fleet

import (
	"fmt"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Progress takes an installer's report. The first one counts as the moment
// when the disk is touched.
func (f *Fleet) Progress(ticket, machine string, p plan.Progress) error {
	return f.durably(func() error { return f.progress(ticket, machine, p) })
}

func (f *Fleet) progress(ticket, machine string, p plan.Progress) error {
	r, err := f.holder(ticket, machine)
	if err != nil {
		return err
	}
	if r.Used && r.Machine.State != Enrolled && r.Machine.State != Ready {
		return fmt.Errorf("%w: machine %s has used it up by enrolling", ErrTicket, r.Machine.ID)
	}
	if p.Phase == "" || len(p.Phase) > 64 || len(p.Detail) > 4096 || p.Done < 0 || p.Total < 0 {
		return fmt.Errorf("%w: progress %+v makes no sense", ErrDenied, p)
	}
	if r.complete() {
		return nil // a report that was overtaken by the last one
	}
	if old := r.progress(); old != nil && old.Phase == p.Phase && p.Phase != PhaseFailed {
		r.moved = old.after(p, f.conf.Now) // bytes done are not worth a write
		return nil
	}
	return f.change(r, func(r *record) error { return f.phase(r, p) })
}

// phase enters a phase of the installation.
func (f *Fleet) phase(r *record, p plan.Progress) error {
	m := &r.Machine
	m.Progress, r.moved = (*Progress)(nil).after(p, f.conf.Now), nil
	if p.Phase == PhaseFailed || p.Phase == PhaseHandover {
		f.swarm.forget(r.Key)
	}
	defer func() { f.say("installation", m, "phase", p.Phase, "detail", p.Detail) }()
	if p.Phase == PhaseFailed && m.State == Failed && strings.Contains(p.Detail, strings.TrimSuffix(m.Reason, ".")) {
		return nil // we refused it, and it says so
	}
	if p.Phase == PhaseFailed {
		return m.move(Failed, orNone(p.Detail), f.conf.Now)
	}
	m.note("phase "+p.Phase, p.Detail, f.conf.Now)
	if p.Phase == PhaseHandover && r.Used {
		m.Attempts = 0
	}
	if m.State == Installing || r.Used {
		return nil
	}
	m.Attempts++
	return m.move(Installing, "", f.conf.Now)
}

// progress is the newest report of the phase that the machine is in.
func (r *record) progress() *Progress {
	p := r.Machine.Progress
	if p != nil && r.moved != nil && r.moved.Phase == p.Phase {
		return r.moved
	}
	return p
}

// after joins a report to the ones before it in its phase.
func (old *Progress) after(p plan.Progress, now clock) *Progress {
	out := &Progress{Progress: p, At: now()}
	if old == nil || old.Phase != p.Phase || old.from.IsZero() {
		out.from, out.done = out.At, p.Done
		return out
	}
	out.from, out.done = old.from, old.done
	seconds := out.At.Sub(out.from).Seconds()
	if seconds <= 0 || p.Done <= out.done {
		return out
	}
	perSecond := float64(p.Done-out.done) / seconds
	out.Rate = perSecond / 1e6
	if p.Total > p.Done {
		out.ETA = float64(p.Total-p.Done) / perSecond
	}
	return out
}
