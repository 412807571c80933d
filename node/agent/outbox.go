package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/node/bus"
	"github.com/cairn-cloud/cairn/node/spec"
)

// sendTimeout bounds one attempt to send a report.
const sendTimeout = 20 * time.Second

// An outbox sends the newest report of each guest until the broker has it. No
// loop ever waits for the broker.
type outbox struct {
	bus bus.Node
	log *slog.Logger

	mu      sync.Mutex // guards what follows
	last    map[string]spec.Report
	waiting []string      // ids whose last report is to be sent, oldest first
	more    chan struct{} // holds a token while waiting may not be empty
}

func newOutbox(b bus.Node, log *slog.Logger) *outbox {
	return &outbox{bus: b, log: log, last: map[string]spec.Report{}, more: make(chan struct{}, 1)}
}

// put queues a report. One that says nothing new is dropped unless again is
// set.
func (o *outbox) put(r spec.Report, again bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	old, known := o.last[r.ID]
	r.At = old.At
	if known && old == r && !again {
		return
	}
	r.At = time.Now().UTC()
	o.last[r.ID] = r
	for _, id := range o.waiting {
		if id == r.ID {
			return
		}
	}
	o.waiting = append(o.waiting, r.ID)
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// take returns the report that waits longest.
func (o *outbox) take() (spec.Report, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 {
		return spec.Report{}, false
	}
	id := o.waiting[0]
	o.waiting = o.waiting[1:]
	return o.last[id], true
}

// run sends until ctx ends.
func (o *outbox) run(ctx context.Context) error {
	for {
		r, ok := o.take()
		if !ok {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-o.more:
			}
			continue
		}
		if err := o.send(ctx, r); err != nil {
			o.log.Warn("a report waits for the broker", "guest", r.ID, "state", r.State, "error", err)
			o.put(r, true) // a newer one, if there is one, has taken its place
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(time.Second):
			}
		}
	}
}

func (o *outbox) send(ctx context.Context, r spec.Report) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return o.bus.Report(ctx, r)
}
