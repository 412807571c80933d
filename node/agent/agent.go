package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/node/console"
	"github.com/cairn-cloud/cairn/node/spec"
)

// An Agent makes one host match what the controller wants.
type Agent struct {
	needs    Needs
	options  Options
	book     book
	out      *outbox
	consoles *console.Keeper
	log      *slog.Logger

	mu      sync.Mutex // guards workers, and what each holds in rec
	workers map[string]*worker
	start   func(*worker) // starts a worker's loop; nil before Run
}

// New reads the records of earlier runs. Nothing happens before Run.
func New(n Needs, o Options) (*Agent, error) {
	o.setDefaults()
	a := &Agent{
		needs: n, options: o, book: book{dir: o.StateDir}, log: n.Log,
		out: newOutbox(n.Bus, n.Log), consoles: console.NewKeeper(n.Log),
		workers: map[string]*worker{},
	}
	all, err := a.book.load(time.Now())
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		a.workers[r.Desired.ID] = newWorker(a, r)
	}
	return a, nil
}

// Run works until ctx ends and returns ctx's error. Guests stay as they are.
func (a *Agent) Run(ctx context.Context) error {
	all, err := a.beginWorkers(ctx)
	if err != nil {
		return err
	}
	defer a.consoles.Close()
	g, ctx := errgroup.WithContext(ctx)
	a.mu.Lock()
	a.start = func(w *worker) { g.Go(func() error { return w.loop(ctx) }) }
	for _, w := range all {
		a.start(w)
	}
	a.mu.Unlock()
	g.Go(func() error { return a.out.run(ctx) })
	g.Go(func() error { return a.beat(ctx) })
	g.Go(func() error { return a.sweep(ctx) })
	g.Go(func() error { return a.needs.Bus.Run(ctx, a) })
	return g.Wait()
}

// beginWorkers tells the network of all guests at once, so that the rules of
// those that run never have a gap.
func (a *Agent) beginWorkers(ctx context.Context) ([]*worker, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []*worker
	var wirings []Wiring
	for _, w := range a.workers {
		all = append(all, w)
		if !w.rec.Gone && w.rec.Desired.Power != spec.PowerGone {
			wirings = append(wirings, wiring(w.rec.Desired))
		}
	}
	if err := a.needs.Network.Restore(ctx, wirings); err != nil {
		// Rules that could not be loaded leave the ports without a way; each
		// guest's loop tries again and reports.
		a.log.Error("the network of the guests could not be restored", "guests", len(wirings), "error", err)
	}
	return all, ctx.Err()
}

func wiring(d spec.Desired) Wiring {
	return Wiring{Guest: d.ID, Ports: d.Guest.Ports, Metadata: d.Guest.Metadata, Taps: d.Guest.Driver == spec.DriverQEMU}
}

// Desired is that of bus.NodeHandler: it returns when the document is on disk.
func (a *Agent) Desired(_ context.Context, d spec.Desired) error {
	if err := checkDesired(d); err != nil {
		a.log.Error("dropped a wanted state that makes no sense", "error", err)
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	w, known := a.workers[d.ID]
	if known && d.Generation < w.rec.Desired.Generation {
		a.log.Info("a wanted state came late", "guest", d.ID, "generation", d.Generation, "have", w.rec.Desired.Generation)
		return nil
	}
	if known && d.Generation == w.rec.Desired.Generation {
		w.poke()
		return nil
	}
	next := &record{Desired: d, IDBase: a.freeIDBase(), Reboots: d.Guest.RebootCount}
	if known && !w.rec.Gone {
		kept := *w.rec
		kept.Desired = d
		next = &kept
	}
	if err := a.book.save(next); err != nil {
		return fmt.Errorf("keep the wanted state of %s: %w", d.ID, err)
	}
	if known {
		w.replace(next)
		return nil
	}
	w = newWorker(a, next)
	a.workers[d.ID] = w
	if a.start != nil {
		a.start(w)
	}
	return nil
}

func (a *Agent) freeIDBase() int {
	var all []*record
	for _, w := range a.workers {
		all = append(all, w.rec)
	}
	return freeIDBase(all)
}

// Request is that of bus.NodeHandler.
func (a *Agent) Request(_ context.Context, r spec.Request) spec.Reply {
	a.mu.Lock()
	w, known := a.workers[r.Guest]
	here := known && !w.rec.Gone
	a.mu.Unlock()
	switch {
	case r.Op != spec.OpConsole:
		return spec.Reply{Error: fmt.Sprintf("op is %q; allowed: %s", r.Op, spec.OpConsole)}
	case !here:
		return spec.Reply{Error: "guest " + r.Guest + " is not on this host"}
	}
	text, err := console.Tail(a.needs.Store.Console(r.Guest), r.Lines)
	if err != nil {
		a.log.Warn("the console could not be read", "guest", r.Guest, "error", err)
		return spec.Reply{Error: "the console could not be read"}
	}
	return spec.Reply{Data: text}
}
