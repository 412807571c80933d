package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/node/bus"
	"github.com/cairn-cloud/cairn/node/spec"
	"github.com/google/go-cmp/cmp"
)

// A fabric makes the ends of one fresh bus.
type fabric struct {
	controller func(t *testing.T) bus.Controller
	node       func(t *testing.T, id string) bus.Node
	nodes      []string // ids that node may be asked for; two at least
}

// patience bounds a wait for something that has to come. It is long because
// the machine may be busy.
const patience = 60 * time.Second

// conform plays what both implementations have to do. Each case has nodes of
// its own, so that nothing is left over from another.
func conform(t *testing.T, newFabric func(t *testing.T) fabric) {
	for _, c := range []struct {
		name string
		play func(t *testing.T, f fabric)
	}{
		{"a desired state reaches its node and no other", desiredReachesItsNode},
		{"a desired state waits for a node that is away", desiredWaits},
		{"a node without a queue is an error", noQueue},
		{"a handler that fails is called again", handlerFails},
		{"reports and heartbeats arrive with their sender", reportsArrive},
		{"a request is answered", requestAnswered},
		{"a request to a node that is away ends with its context", requestExpires},
		{"close ends what waits", closeEnds},
	} {
		t.Run(c.name, func(t *testing.T) { c.play(t, newFabric(t)) })
	}
}

func ctxFor(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// run starts one Run and waits for its end when the test ends.
func run(t *testing.T, f func(ctx context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err == nil {
				t.Error("Run returned nil, want why it ended")
			}
		case <-time.After(patience):
			t.Error("Run did not end with its context")
		}
	})
	t.Cleanup(stop)
	return stop
}

type nodeFake struct {
	desired chan spec.Desired
	fail    func(spec.Desired) error
	answer  func(spec.Request) spec.Reply
}

func newNodeFake() *nodeFake { return &nodeFake{desired: make(chan spec.Desired, 100)} }

func (n *nodeFake) Desired(_ context.Context, d spec.Desired) error {
	if n.fail != nil {
		if err := n.fail(d); err != nil {
			return err
		}
	}
	n.desired <- d
	return nil
}

func (n *nodeFake) Request(_ context.Context, r spec.Request) spec.Reply { return n.answer(r) }

type controllerFake struct {
	reports    chan spec.Report
	heartbeats chan spec.Heartbeat
}

func newControllerFake() *controllerFake {
	return &controllerFake{reports: make(chan spec.Report, 100), heartbeats: make(chan spec.Heartbeat, 100)}
}

func (c *controllerFake) Report(_ context.Context, r spec.Report) error {
	c.reports <- r
	return nil
}

func (c *controllerFake) Heartbeat(_ context.Context, h spec.Heartbeat) error {
	c.heartbeats <- h
	return nil
}

func receive[T any](t *testing.T, what string, in <-chan T) T {
	t.Helper()
	select {
	case v := <-in:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s arrived", what)
		panic("unreachable")
	}
}

func ensure(t *testing.T, c bus.Controller, nodes ...string) {
	t.Helper()
	for _, n := range nodes {
		if err := c.EnsureNode(ctxFor(t), n); err != nil {
			t.Fatal(err)
		}
		if err := c.EnsureNode(ctxFor(t), n); err != nil {
			t.Fatalf("a second time: %v", err)
		}
	}
}

func desiredReachesItsNode(t *testing.T, f fabric) {
	c := f.controller(t)
	a, b := f.nodes[0], f.nodes[1]
	ensure(t, c, a, b)
	fa, fb := newNodeFake(), newNodeFake()
	na, nb := f.node(t, a), f.node(t, b)
	run(t, func(ctx context.Context) error { return na.Run(ctx, fa) })
	run(t, func(ctx context.Context) error { return nb.Run(ctx, fb) })

	var got []int64
	for i := range int64(20) {
		d := spec.Desired{ID: "s1", Generation: i, Power: spec.PowerOn, Guest: spec.Guest{Name: "web", Ports: []spec.Port{{ID: "p", VLAN: 101}}}}
		if err := c.Publish(ctxFor(t), a, d); err != nil {
			t.Fatal(err)
		}
		in := receive(t, "desired state", fa.desired)
		if diff := cmp.Diff(fmt.Sprint(d), fmt.Sprint(in)); diff != "" {
			t.Fatal(diff)
		}
		got = append(got, in.Generation)
	}
	if !slices.IsSorted(got) || len(got) != 20 {
		t.Errorf("got generations %v", got)
	}
	if len(fb.desired) != 0 {
		t.Errorf("node %s got what was for %s", b, a)
	}
}

func desiredWaits(t *testing.T, f fabric) {
	c := f.controller(t)
	a := f.nodes[0]
	ensure(t, c, a)
	if err := c.Publish(ctxFor(t), a, spec.Desired{ID: "early", Generation: 1}); err != nil {
		t.Fatal(err)
	}
	fa := newNodeFake()
	na := f.node(t, a)
	stop := run(t, func(ctx context.Context) error { return na.Run(ctx, fa) })
	if d := receive(t, "desired state", fa.desired); d.ID != "early" {
		t.Errorf("got %q, want early", d.ID)
	}
	stop()
	if err := c.Publish(ctxFor(t), a, spec.Desired{ID: "between", Generation: 2}); err != nil {
		t.Fatal(err)
	}
	run(t, func(ctx context.Context) error { return na.Run(ctx, fa) })
	if d := receive(t, "desired state", fa.desired); d.ID != "between" {
		t.Errorf("got %q, want between: what was taken must not come again", d.ID)
	}
}

func noQueue(t *testing.T, f fabric) {
	c := f.controller(t)
	err := c.Publish(ctxFor(t), "nobody", spec.Desired{ID: "x"})
	if !errors.Is(err, bus.ErrNoNode) {
		t.Errorf("publish: got %v, want %v", err, bus.ErrNoNode)
	}
	if _, err := c.Call(ctxFor(t), "nobody", spec.Request{Op: spec.OpConsole}); !errors.Is(err, bus.ErrNoNode) {
		t.Errorf("call: got %v, want %v", err, bus.ErrNoNode)
	}
}

func handlerFails(t *testing.T, f fabric) {
	c := f.controller(t)
	a := f.nodes[0]
	ensure(t, c, a)
	fa := newNodeFake()
	tries := 0
	fa.fail = func(d spec.Desired) error {
		if tries++; tries <= 3 {
			return errors.New("disk is full")
		}
		return nil
	}
	na := f.node(t, a)
	run(t, func(ctx context.Context) error { return na.Run(ctx, fa) })
	if err := c.Publish(ctxFor(t), a, spec.Desired{ID: "s1"}); err != nil {
		t.Fatal(err)
	}
	receive(t, "desired state", fa.desired)
	if tries != 4 {
		t.Errorf("the handler was called %d times, want 4", tries)
	}
}

func reportsArrive(t *testing.T, f fabric) {
	c := f.controller(t)
	a := f.nodes[0]
	ensure(t, c, a)
	fc := newControllerFake()
	run(t, func(ctx context.Context) error { return c.Run(ctx, fc) })
	na := f.node(t, a)
	if err := na.Report(ctxFor(t), spec.Report{ID: "s1", Generation: 7, State: spec.StateRunning}); err != nil {
		t.Fatal(err)
	}
	r := receive(t, "report", fc.reports)
	if want := (spec.Report{Node: a, ID: "s1", Generation: 7, State: spec.StateRunning}); r != want {
		t.Errorf("got %+v, want %+v", r, want)
	}
	if err := na.Heartbeat(ctxFor(t), spec.Heartbeat{Name: "compute-1", VCPUs: 4}); err != nil {
		t.Fatal(err)
	}
	if h := receive(t, "heartbeat", fc.heartbeats); h.Node != a || h.VCPUs != 4 {
		t.Errorf("got %+v", h)
	}
}

func requestAnswered(t *testing.T, f fabric) {
	c := f.controller(t)
	a := f.nodes[0]
	ensure(t, c, a)
	run(t, func(ctx context.Context) error { return c.Run(ctx, newControllerFake()) })
	fa := newNodeFake()
	fa.answer = func(r spec.Request) spec.Reply { return spec.Reply{Data: []byte("console of " + r.Guest)} }
	na := f.node(t, a)
	run(t, func(ctx context.Context) error { return na.Run(ctx, fa) })

	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			guest := fmt.Sprint("s", i)
			got, err := c.Call(ctxFor(t), a, spec.Request{Op: spec.OpConsole, Guest: guest})
			if err != nil {
				t.Error(err)
				return
			}
			if string(got.Data) != "console of "+guest || got.Node != a {
				t.Errorf("got %q from %q", got.Data, got.Node)
			}
		})
	}
	wg.Wait()
}

func requestExpires(t *testing.T, f fabric) {
	c := f.controller(t)
	a := f.nodes[0]
	ensure(t, c, a)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Call(ctx, a, spec.Request{Op: spec.OpConsole}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
}

func closeEnds(t *testing.T, f fabric) {
	c := f.controller(t)
	ensure(t, c, f.nodes[0])
	n := f.node(t, f.nodes[0])
	done := make(chan error, 2)
	go func() { done <- n.Run(t.Context(), newNodeFake()) }()
	go func() { done <- c.Run(t.Context(), newControllerFake()) }()
	if err := errors.Join(c.Close(), n.Close(), c.Close(), n.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := receive(t, "end of Run", done); !errors.Is(err, bus.ErrClosed) {
			t.Errorf("got %v, want %v", err, bus.ErrClosed)
		}
	}
	if err := n.Report(ctxFor(t), spec.Report{}); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("report: got %v, want %v", err, bus.ErrClosed)
	}
}

func TestMemory(t *testing.T) {
	conform(t, func(t *testing.T) fabric {
		m := bus.NewMemory()
		return fabric{
			controller: func(*testing.T) bus.Controller { return m.Controller() },
			node:       func(_ *testing.T, id string) bus.Node { return m.Node(id) },
			nodes:      []string{"n1", "n2"},
		}
	})
}
