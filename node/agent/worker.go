package agent

import (
	"context"
	"errors"
	"time"

	"github.com/cairn-cloud/cairn/node/imagecache"
	"github.com/cairn-cloud/cairn/node/spec"
)

// How long a loop waits after a fault: from first, doubled up to longest.
// After faultsToError faults in a row the guest is reported as broken; the
// loop goes on trying.
const (
	firstRetry    = time.Second
	longestRetry  = time.Minute
	faultsToError = 5
)

// errBroken is in the chain of an error that trying again cannot mend.
var errBroken = errors.New("the guest cannot be made")

// A worker is the loop of one guest.
type worker struct {
	a    *Agent
	wake chan struct{} // the next round reports even when nothing has changed

	rec    *record            // guarded by a.mu
	cancel context.CancelFunc // guarded by a.mu: ends the round under way
}

func newWorker(a *Agent, r *record) *worker {
	w := &worker{a: a, rec: r, wake: make(chan struct{}, 1)}
	w.poke()
	return w
}

// poke makes the loop look at its guest soon.
func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// replace gives the loop a newer record. The caller holds a.mu. A round for
// another power is cut short: nobody waits for the image of a guest that has
// to go.
func (w *worker) replace(r *record) {
	if w.cancel != nil && w.rec.Desired.Power != r.Desired.Power {
		w.cancel()
	}
	w.rec = r
	w.poke()
}

// loop makes rounds until ctx ends.
func (w *worker) loop(ctx context.Context) error {
	faults := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		again := false
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.wake:
			again = true
		case <-timer.C:
		}
		generation, interrupted, err := w.round(ctx, again)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case interrupted:
			w.poke()
		case err != nil:
			faults++
			w.faulted(generation, faults, err)
			timer.Reset(min(longestRetry, firstRetry<<min(faults-1, 10)))
		default:
			faults = 0
			timer.Reset(w.a.options.Poll)
		}
	}
}

// round does what is missing now. interrupted tells that a newer record came
// meanwhile.
func (w *worker) round(ctx context.Context, again bool) (generation int64, interrupted bool, err error) {
	round, cancel := context.WithCancel(ctx)
	defer cancel()
	w.a.mu.Lock()
	r := *w.rec
	w.cancel = cancel
	w.a.mu.Unlock()
	err = (&reconciler{a: w.a, w: w, rec: r, again: again}).run(round)
	w.a.mu.Lock()
	w.cancel = nil
	newer := w.rec.Desired.Generation != r.Desired.Generation
	w.a.mu.Unlock()
	return r.Desired.Generation, newer, err
}

// faulted reports a fault: as part of building first, then as the state.
func (w *worker) faulted(generation int64, faults int, err error) {
	w.a.mu.Lock()
	id := w.rec.Desired.ID
	w.a.mu.Unlock()
	w.a.log.Warn("a guest is not as it has to be", "guest", id, "generation", generation, "attempt", faults, "error", err)
	state := spec.StateBuilding
	if faults >= faultsToError || errors.Is(err, errBroken) || errors.Is(err, imagecache.ErrImage) {
		state = spec.StateError
	}
	w.a.out.put(spec.Report{ID: id, Generation: generation, State: state, Step: "again", Fault: err.Error()}, false)
}
