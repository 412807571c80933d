package agent

import (
	"context"
	"time"

	"github.com/cairn-cloud/cairn/node/spec"
)

// sweep has the store forget images that no guest needs, each period, until
// ctx ends. The first time is a period after the start: by then the controller
// has said what it wants.
func (a *Agent) sweep(ctx context.Context) error {
	tick := time.NewTicker(a.options.Sweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case now := <-tick.C:
			freed, err := a.needs.Store.Forget(ctx, a.images(), now.Add(-a.options.Unused))
			if err != nil {
				a.log.Warn("images that nobody needs could not be removed", "error", err)
			}
			if freed > 0 {
				a.log.Info("removed images that nobody needs", "bytes", freed)
			}
		}
	}
}

// images are those of all guests that are wanted, running or not: disks stand
// on them.
func (a *Agent) images() []spec.Image {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []spec.Image
	for _, w := range a.workers {
		if w.rec.Gone {
			continue
		}
		g := w.rec.Desired.Guest
		all = append(all, g.Image)
		for _, i := range []*spec.Image{g.Kernel, g.Ramdisk} {
			if i != nil {
				all = append(all, *i)
			}
		}
	}
	return all
}
