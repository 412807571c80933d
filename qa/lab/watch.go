package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A machine that in a stall's time does less than this does nothing: even an
// idle system ticks, asks for leases and answers the switch.
const (
	idleCPU  = 0.03     // of one processor
	idleDisk = 64 << 10 // bytes
)

// A watch tells machines that work from machines that are stuck. It judges
// by what moves, never by how long something takes.
type watch struct {
	stall time.Duration
	last  map[string]mark // by machine
}

// A mark is what a machine had done at a time when it last was seen working.
type mark struct {
	at   time.Time
	cpu  time.Duration
	disk int64
	text int64
}

func newWatch(stall time.Duration) *watch {
	return &watch{stall: stall, last: make(map[string]mark)}
}

// see takes notice of a machine and tells for how long it has done nothing.
func (w *watch) see(m MachineStatus, now time.Time) time.Duration {
	then, known := w.last[m.Name]
	worked := m.Serial != then.text || m.Disk-then.disk > idleDisk || m.Disk < then.disk || m.CPU < then.cpu ||
		m.CPU-then.cpu > time.Duration(idleCPU*float64(w.stall))
	if !known || worked || !m.On {
		w.last[m.Name] = mark{now, m.CPU, m.Disk, m.Serial}
		return 0
	}
	return now.Sub(then.at)
}

// A waiting is something that has to come true.
type waiting struct {
	what     string   // "the controller answers"
	machines []string // that work on it
	done     func(context.Context) (detail string, ok bool, err error)
	// mayFail leaves it to done what a console's failure means, unless it comes
	// again and again.
	mayFail bool
}

// maxFailures is how often a machine may fail that may.
const maxFailures = 3

// poll is how often a waiting looks.
const poll = 2 * time.Second

// wait waits until it is done: for ever, as long as one of its machines works.
// It fails with the reason when the console of one shows a failure, when one
// is off, when all have stopped, or when done returns an error.
func (r *rack) wait(ctx context.Context, w waiting) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := newWatch(r.stall)
	var last outcome
	tried := r.try(ctx, w)
	for {
		status, err := r.client.status(ctx)
		if err == nil {
			err = judge(status, w, watch, time.Now())
		}
		if err != nil {
			return fmt.Errorf("wait until %s: %w", w.what, err)
		}
		r.view.show(status, w, last.detail)
		select {
		case last = <-tried:
			if last.err != nil {
				return fmt.Errorf("wait until %s: %w", w.what, last.err)
			}
			if last.ok {
				r.view.clear()
				return nil
			}
			tried = r.try(ctx, w)
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", w.what, ctx.Err())
		case <-time.After(poll):
		}
	}
}

// An outcome is what one try has found.
type outcome struct {
	detail string
	ok     bool
	err    error
}

// try looks once, no sooner than after a pause, while others watch the
// machines: something that hangs must not hide that they have failed.
func (r *rack) try(ctx context.Context, w waiting) <-chan outcome {
	out := make(chan outcome, 1)
	go func() { // ends with done, which minds the context
		select {
		case <-ctx.Done():
			out <- outcome{err: ctx.Err()}
			return
		case <-time.After(poll):
		}
		var o outcome
		o.detail, o.ok, o.err = w.done(ctx)
		out <- o
	}()
	return out
}

// judge returns why the machines will not get any further, if so.
func judge(s *Status, wait waiting, w *watch, now time.Time) error {
	stuck := make([]string, 0, len(wait.machines))
	for _, m := range s.Machines {
		if !slices.Contains(wait.machines, m.Name) {
			continue
		}
		if m.Failed && !wait.mayFail || m.Times >= maxFailures {
			return fmt.Errorf("%s says: %s", m.Name, reason(m.Tail))
		}
		if !m.On {
			return fmt.Errorf("%s is off; the last line of its console is %q", m.Name, m.last())
		}
		if idle := w.see(m, now); idle > w.stall {
			stuck = append(stuck, fmt.Sprintf("%s has done nothing for %s in phase %q; the last line of its console is %q",
				m.Name, idle.Round(time.Second), m.current(), m.last()))
		}
	}
	if len(stuck) == len(wait.machines) && len(stuck) > 0 {
		return fmt.Errorf("stuck: %s", strings.Join(stuck, "; "))
	}
	return nil
}

// reason is the end of a console, from where the failure begins.
func reason(tail []string) string {
	for i, line := range tail {
		for _, f := range append(failures(), kernelPanic) {
			if f.MatchString(line) {
				return strings.Join(tail[i:], "\n    ")
			}
		}
	}
	return strings.Join(tail, "\n    ")
}
