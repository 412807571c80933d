package spec

import (
	"testing"
	"time"
)

// A round with few VLANs sweeps once a second; one with all of them and large
// frames takes its time, and no more than a round may.
func TestSweep(t *testing.T) {
	for _, c := range []struct {
		vlans, mtu int
		min, max   time.Duration
	}{
		{1, 1500, time.Second, time.Second},
		{100, 1500, time.Second, time.Second},
		{100, 9000, time.Second, time.Second},
		{4093, 1500, time.Second, 2 * time.Second},
		{4093, 9216, 8 * time.Second, 10 * time.Second},
	} {
		o := FabricOrder{VLANs: make([]int, c.vlans), MTU: c.mtu}
		if got := o.Sweep(); got < c.min || got > c.max {
			t.Errorf("%d VLANs of %d bytes: a sweep of %s; want %s to %s", c.vlans, c.mtu, got, c.min, c.max)
		}
	}
}
