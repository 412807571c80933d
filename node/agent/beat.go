package agent

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/node/spec"
)

// beat says that the node lives, at once and then every period.
func (a *Agent) beat(ctx context.Context) error {
	tick := time.NewTicker(a.options.Beat)
	defer tick.Stop()
	for {
		if err := a.sendBeat(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("a heartbeat was lost", "error", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (a *Agent) sendBeat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	h := a.needs.Self.Describe(ctx)
	h.At = time.Now().UTC()
	for name, d := range a.needs.Drivers {
		about, err := d.About(ctx)
		h.Checks = append(h.Checks, check("driver "+string(name), err))
		if err == nil {
			h.Hypervisor = append(h.Hypervisor, about)
		}
	}
	slices.SortFunc(h.Hypervisor, func(x, y spec.Hypervisor) int { return strings.Compare(string(x.Driver), string(y.Driver)) })
	h.Checks = append(h.Checks, a.needs.Network.Checks(ctx)...)
	h.Checks = append(h.Checks, check("broker", a.needs.Bus.Connected()))
	slices.SortFunc(h.Checks, func(x, y spec.Check) int { return strings.Compare(x.Name, y.Name) })
	return a.needs.Bus.Heartbeat(ctx, h)
}

func check(name string, err error) spec.Check {
	if err != nil {
		return spec.Check{Name: name, Why: err.Error()}
	}
	return spec.Check{Name: name, OK: true}
}
