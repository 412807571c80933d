package simnode_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/node/bus"
	"github.com/cairn-cloud/cairn/node/simnode"
	"github.com/cairn-cloud/cairn/node/spec"
)

type ears struct {
	reports chan spec.Report
	beats   chan spec.Heartbeat
}

func (e ears) Report(_ context.Context, r spec.Report) error {
	e.reports <- r
	return nil
}

func (e ears) Heartbeat(_ context.Context, h spec.Heartbeat) error {
	select {
	case e.beats <- h:
	default:
	}
	return nil
}

// until returns the states reported up to the one that is waited for.
func (e ears) until(t *testing.T, generation int64, last spec.State) []spec.State {
	t.Helper()
	var seen []spec.State
	for {
		select {
		case r := <-e.reports:
			if r.Generation != generation {
				continue
			}
			if len(seen) == 0 || seen[len(seen)-1] != r.State {
				seen = append(seen, r.State)
			}
			if r.State == last {
				return seen
			}
		case <-time.After(time.Minute):
			t.Fatalf("no report of %s; seen: %v", last, seen)
		}
	}
}

func TestLifeOfAServer(t *testing.T) {
	m := bus.NewMemory()
	c := m.Controller()
	e := ears{reports: make(chan spec.Report, 100), beats: make(chan spec.Heartbeat, 1)}
	ctx := t.Context()
	go c.Run(ctx, e)
	dir := t.TempDir()
	start := func() (stop func()) {
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		n := m.Node("n1")
		go func() {
			done <- simnode.Run(ctx, n, simnode.Options{ID: "n1", Name: "compute-1", StateDir: dir, Beat: 10 * time.Millisecond})
		}()
		return func() { cancel(); <-done; n.Close() }
	}
	stop := start()
	if err := c.EnsureNode(ctx, "n1"); err != nil {
		t.Fatal(err)
	}
	h := <-e.beats
	if h.Node != "n1" || h.Name != "compute-1" || len(h.Hypervisor) != 2 || h.VCPUs == 0 {
		t.Errorf("heartbeat: %+v", h)
	}
	for _, check := range h.Checks {
		if !check.OK {
			t.Errorf("check %s is bad: %s", check.Name, check.Why)
		}
	}

	d := spec.Desired{ID: "s1", Generation: 1, Power: spec.PowerOn, Guest: spec.Guest{Name: "web", Driver: spec.DriverQEMU, VCPUs: 2, MemoryMiB: 512}}
	want := func(g int64, p spec.Power, last spec.State) []spec.State {
		t.Helper()
		d.Generation, d.Power = g, p
		if err := c.Publish(ctx, "n1", d); err != nil {
			t.Fatal(err)
		}
		return e.until(t, g, last)
	}
	seen := want(1, spec.PowerOn, spec.StateRunning)
	if seen[len(seen)-1] != spec.StateRunning {
		t.Error(seen)
	}
	a, err := c.Call(ctx, "n1", spec.Request{Op: spec.OpConsole, Guest: "s1"})
	if err != nil || !strings.Contains(string(a.Data), "simulated guest web (s1): 2 vCPUs, 512 MiB") {
		t.Errorf("console: %+v, %v", a, err)
	}
	want(2, spec.PowerOff, spec.StateStopped)
	want(3, spec.PowerOn, spec.StateRunning)
	stop()
	stop = start()
	e.until(t, 3, spec.StateRunning) // the machine came back, and its guest with it
	want(4, spec.PowerGone, spec.StateGone)
	if a, err = c.Call(ctx, "n1", spec.Request{Op: spec.OpConsole, Guest: "s1"}); err != nil || a.Error == "" {
		t.Errorf("console of a guest that is gone: %+v, %v", a, err)
	}
	// What comes late changes nothing.
	if diff := cmp.Diff([]spec.State{spec.StateGone}, want(4, spec.PowerGone, spec.StateGone)); diff != "" {
		t.Error(diff)
	}
	stop()
}
