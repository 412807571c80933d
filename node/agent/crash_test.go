package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/node/agent"
	"github.com/cairn-cloud/cairn/node/bus"
	"github.com/cairn-cloud/cairn/node/guest"
	"github.com/cairn-cloud/cairn/node/spec"
)

// errKilled is what a killed agent's steps return.
var errKilled = errors.New("killed")

// A world is everything that outlives an agent: the host and the controller.
type world struct {
	t       *testing.T
	bus     *bus.Memory
	control bus.Controller
	driver  *guest.Memory
	network *fakeNetwork
	store   *fakeStore
	dir     string
	boot    string

	mu   sync.Mutex // guards last
	last map[string]spec.Report
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, bus: bus.NewMemory(), driver: guest.NewMemory(spec.Hypervisor{Driver: spec.DriverLXC, Version: "1"}),
		network: &fakeNetwork{wired: map[string]bool{}}, store: &fakeStore{dir: t.TempDir()}, dir: t.TempDir(), boot: "one",
		last: map[string]spec.Report{},
	}
	w.control = w.bus.Controller()
	go w.control.Run(t.Context(), w)
	if err := w.control.EnsureNode(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) Report(_ context.Context, r spec.Report) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Generation >= w.last[r.ID].Generation {
		w.last[r.ID] = r
	}
	return nil
}

func (w *world) Heartbeat(context.Context, spec.Heartbeat) error { return nil }

func (w *world) reported(id string) spec.Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last[id]
}

func (w *world) publish(d spec.Desired) {
	w.t.Helper()
	if err := w.control.Publish(w.t.Context(), "n1", d); err != nil {
		w.t.Fatal(err)
	}
}

// start runs an agent that is killed at its step number killAt, counted from
// one; zero never. It returns a function that waits until the agent was
// killed or until says true, and tells which.
func (w *world) start(killAt int) (run func(until func() bool) (killed bool, at string), stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	var mu sync.Mutex
	steps, at := 0, ""
	n := w.bus.Node("n1")
	a, err := agent.New(agent.Needs{
		Bus: n, Network: w.network, Store: w.store, Self: self{}, Log: slog.New(slog.DiscardHandler),
		Drivers: map[spec.Driver]guest.Driver{spec.DriverLXC: w.driver},
	}, agent.Options{
		StateDir: filepath.Join(w.dir, "agent"), Boot: w.boot, Poll: 50 * time.Millisecond, Beat: time.Hour, Sweep: 20 * time.Millisecond,
		Failpoint: func(name string) error {
			mu.Lock()
			defer mu.Unlock()
			if steps++; at == "" && steps == killAt {
				at = name
				cancel()
			}
			if at != "" {
				return errKilled
			}
			return nil
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = func() { cancel(); <-done; n.Close() }
	return func(until func() bool) (bool, string) {
		for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond / 2) {
			mu.Lock()
			where := at
			mu.Unlock()
			if where != "" {
				stop()
				return true, where
			}
			if until() {
				return false, ""
			}
			if time.Now().After(end) {
				w.t.Fatalf("it never came to an end; last reports: %+v", w.last)
			}
		}
	}, stop
}

// A fakeNetwork is the set of guests that are wired.
type fakeNetwork struct {
	mu    sync.Mutex // guards wired
	wired map[string]bool
}

func (f *fakeNetwork) Restore(_ context.Context, all []agent.Wiring) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range all {
		f.wired[w.Guest] = true
	}
	return nil
}

func (f *fakeNetwork) Connect(_ context.Context, w agent.Wiring) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wired[w.Guest] = true
	return nil
}

func (f *fakeNetwork) Disconnect(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.wired, id)
	return nil
}

func (f *fakeNetwork) Checks(context.Context) []spec.Check { return nil }

func (f *fakeNetwork) has(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wired[id]
}

// A fakeStore makes an empty directory for each guest.
type fakeStore struct {
	dir  string
	kept atomic.Pointer[[]spec.Image] // what it was told to keep, the last time
}

func (f *fakeStore) Prepare(_ context.Context, _ spec.Guest, s *guest.Spec, _ func(string)) error {
	return os.MkdirAll(filepath.Join(f.dir, s.ID), 0o700)
}
func (f *fakeStore) Console(id string) string { return filepath.Join(f.dir, id, "console.log") }
func (f *fakeStore) Forget(_ context.Context, keep []spec.Image, _ time.Time) (int64, error) {
	f.kept.Store(&keep)
	return 0, nil
}
func (f *fakeStore) Remove(_ context.Context, id string) error {
	return os.RemoveAll(filepath.Join(f.dir, id))
}

// left lists what the host has of a guest.
func (w *world) left(id string) string {
	var all []string
	if _, err := w.driver.State(w.t.Context(), id); err == nil {
		all = append(all, "guest")
	}
	if w.network.has(id) {
		all = append(all, "network")
	}
	if _, err := os.Stat(filepath.Join(w.store.dir, id)); err == nil {
		all = append(all, "files")
	}
	return strings.Join(all, " ")
}

// run is the number of a guest's run, zero when it is off.
func (w *world) run(id string) int64 {
	st, err := w.driver.State(w.t.Context(), id)
	if err != nil {
		return 0
	}
	return st.Run
}

// A crashCase is one change of a guest.
type crashCase struct {
	name   string
	before *spec.Desired // nil: there is no guest
	after  spec.Desired
	state  spec.State // that is reported at the end
	left   string     // what the host has at the end
	runs   int64      // the guest's run at the end; zero: off
}

// TestKilledAnywhere changes a guest's wanted state, kills the agent at each of
// its steps in turn, starts it again, and wants the same end every time.
func TestKilledAnywhere(t *testing.T) {
	on := spec.Desired{ID: "s1", Generation: 2, Power: spec.PowerOn, Guest: spec.Guest{Name: "web", Driver: spec.DriverLXC}}
	change := func(f func(*spec.Desired)) spec.Desired {
		d := on
		d.Generation = 3
		f(&d)
		return d
	}
	for _, c := range []crashCase{
		{"create", nil, on, spec.StateRunning, "guest network files", 1},
		{"stop", &on, change(func(d *spec.Desired) { d.Power = spec.PowerOff }), spec.StateStopped, "guest network files", 0},
		{"reboot", &on, change(func(d *spec.Desired) { d.Guest.RebootCount = 1 }), spec.StateRunning, "guest network files", 2},
		{"new rules", &on, change(func(d *spec.Desired) { d.Guest.Name = "other" }), spec.StateRunning, "guest network files", 1},
		{"delete", &on, change(func(d *spec.Desired) { d.Power = spec.PowerGone }), spec.StateGone, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			points := map[string]bool{}
			killAt := 1
			for ; killAt < 100; killAt++ {
				killed, at := c.play(t, killAt)
				if !killed {
					break
				}
				points[at] = true
			}
			t.Logf("killed at %d steps: %v", killAt-1, points)
			if len(points) < 2 {
				t.Errorf("killed at %d places, want more", len(points))
			}
		})
	}
}

// play is one round of TestKilledAnywhere.
func (c *crashCase) play(t *testing.T, killAt int) (killed bool, at string) {
	w := newWorld(t)
	if c.before != nil {
		run, stop := w.start(0)
		w.publish(*c.before)
		run(w.settled(c.before.Generation, spec.StateRunning))
		stop()
	}
	run, stop := w.start(killAt)
	w.publish(c.after)
	done := w.settled(c.after.Generation, c.state)
	if killed, at = run(done); killed {
		run, stop = w.start(0)
		run(done)
	}
	stop()
	if got := w.left("s1"); got != c.left {
		t.Errorf("killed at %q: left %q, want %q", at, got, c.left)
	}
	if got := w.run("s1"); got != c.runs {
		t.Errorf("killed at %q: the guest is in run %d, want %d", at, got, c.runs)
	}
	return killed, at
}

func (w *world) settled(generation int64, state spec.State) func() bool {
	return func() bool {
		r := w.reported("s1")
		return r.Generation == generation && r.State == state
	}
}

// A guest that stops by itself stays off, until the machine starts again.
func TestStopsByItself(t *testing.T) {
	w := newWorld(t)
	run, stop := w.start(0)
	w.publish(spec.Desired{ID: "s1", Generation: 1, Power: spec.PowerOn, Guest: spec.Guest{Driver: spec.DriverLXC}})
	run(w.settled(1, spec.StateRunning))
	if err := w.driver.Stop(t.Context(), "s1", true); err != nil {
		t.Fatal(err)
	}
	run(w.settled(1, spec.StateStopped))
	stop()
	run, stop = w.start(0) // the agent alone
	run(w.settled(1, spec.StateStopped))
	stop()
	if w.run("s1") != 0 {
		t.Error("the guest was started")
	}
	w.boot = "two"
	run, stop = w.start(0)
	run(w.settled(1, spec.StateRunning))
	stop()
}

// What is late, twice, or nonsense changes nothing.
func TestLateAndTwice(t *testing.T) {
	w := newWorld(t)
	run, stop := w.start(0)
	defer func() { stop() }()
	g := spec.Guest{Driver: spec.DriverLXC}
	w.publish(spec.Desired{ID: "../../etc/passwd", Generation: 1, Power: spec.PowerOn, Guest: g})
	w.publish(spec.Desired{ID: "s2", Generation: 1, Power: "maybe", Guest: g})
	w.publish(spec.Desired{ID: "s1", Generation: 5, Power: spec.PowerGone})
	w.publish(spec.Desired{ID: "s1", Generation: 4, Power: spec.PowerOn, Guest: g})
	w.publish(spec.Desired{ID: "s1", Generation: 5, Power: spec.PowerGone})
	run(w.settled(5, spec.StateGone))
	stop()
	run, stop = w.start(0)
	w.publish(spec.Desired{ID: "s1", Generation: 3, Power: spec.PowerOn, Guest: g})
	w.publish(spec.Desired{ID: "s3", Generation: 1, Power: spec.PowerOn, Guest: g})
	run(func() bool { return w.reported("s3").State == spec.StateRunning })
	if got := w.left("s1"); got != "" {
		t.Errorf("a late message made %s", got)
	}
	if ids, err := w.driver.List(t.Context()); err != nil || fmt.Sprint(ids) != "[s3]" {
		t.Errorf("got guests %v, %v", ids, err)
	}
}

// A guest for a driver that the host does not have is an error at once.
func TestUnknownDriver(t *testing.T) {
	w := newWorld(t)
	run, stop := w.start(0)
	defer stop()
	w.publish(spec.Desired{ID: "s1", Generation: 1, Power: spec.PowerOn, Guest: spec.Guest{Driver: "xen"}})
	run(w.settled(1, spec.StateError))
	if r := w.reported("s1"); !strings.Contains(r.Fault, `driver is "xen"`) {
		t.Errorf("got %q", r.Fault)
	}
}
