package fleet

import (
	"fmt"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Progress takes an installer's report. The first one counts as the moment
// when the disk is touched.
func (f *Fleet) Progress(ticket, machine string, p plan.Progress) error {
	f.mu.Lock()
	defer f.mu.Unlock()
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
	if old := r.Machine.Progress; old != nil && old.Phase == p.Phase && p.Phase != PhaseFailed {
		c := *r
		c.Machine = r.Machine.clone()
		c.Machine.Progress = old.after(p, f.conf.Now)
		f.records[r.Key] = &c // bytes done are not worth a write
		return nil
	}
	return f.change(r, func(r *record) error { return f.phase(r, p) })
}

// phase enters a phase of the installation.
func (f *Fleet) phase(r *record, p plan.Progress) error {
	m := &r.Machine
	m.Progress = (*Progress)(nil).after(p, f.conf.Now)
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
