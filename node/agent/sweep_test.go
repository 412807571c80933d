package agent_test

import (
	"slices"
	"testing"

	"github.com/cairn-cloud/cairn/node/spec"
)

// Whatever a wanted guest stands on is kept, and no longer than that.
func TestImagesOfGuestsAreKept(t *testing.T) {
	w := newWorld(t)
	run, stop := w.start(0)
	defer func() { stop() }()
	image, kernel := spec.Image{ID: "i1", SHA512: "disk"}, spec.Image{ID: "i2", SHA512: "kernel"}
	d := spec.Desired{ID: "s1", Generation: 1, Power: spec.PowerOff, Guest: spec.Guest{Driver: spec.DriverLXC, Image: image, Kernel: &kernel}}
	keeps := func(want ...spec.Image) func() bool {
		return func() bool {
			got := w.store.kept.Load()
			return got != nil && slices.Equal(*got, want)
		}
	}
	run(keeps())
	w.publish(d)
	run(keeps(image, kernel))
	stop()
	run, stop = w.start(0) // it knows after a restart, too
	w.store.kept.Store(nil)
	run(keeps(image, kernel))
	d.Generation, d.Power = 2, spec.PowerGone
	w.publish(d)
	run(keeps())
}
