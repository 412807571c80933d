package pxe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fleet"
)

// A founder makes the first machine that can be one the first controller of a
// new rack, as the ISO would: it founds the cluster by itself, so that no key
// is ever here, and deploys the rest of the rack. Then this deployer has
// nothing left to do, and ends: two of them on one network are one too many.
type founder struct {
	rack *plan.Rack
	log  *slog.Logger

	mu      sync.Mutex
	machine string // guarded by mu; id of the controller to be, empty: not known yet
}

// rackText is what the controller becomes the deployer of its rack by.
func (c *Config) rackText() (string, error) {
	if c.RackFile == "" {
		return "# A rack of defaults.\n", nil
	}
	raw, err := os.ReadFile(c.RackFile)
	if err != nil {
		return "", fmt.Errorf("rack: %w", err)
	}
	return string(raw), nil
}

// plan is a [fleet.Planner].
func (f *founder) plan(inv plan.Inventory, rack *plan.Rack, o plan.Options) (plan.Plan, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.machine != "" && !strings.EqualFold(f.machine, inv.Machine) {
		return plan.Plan{}, &plan.Refusal{
			Reason: fmt.Sprintf("machine %s becomes the first controller of rack %s, which deploys the others", f.machine, rack.Name),
			Remedy: "Start this machine again when the controller is up",
		}
	}
	o.Local = true
	p, err := plan.Make(inv, rack, o)
	if err != nil {
		return plan.Plan{}, err
	}
	p.Founds, p.Address = true, rack.Management.Controller
	if f.machine == "" {
		f.machine = inv.Machine
		f.log.Info("first controller chosen", "machine", inv.Machine, "name", p.HostName, "address", p.Address)
	}
	return p, nil
}

// errFounded ends a deployer that has done its work.
var errFounded = errors.New("the rack has its controller")

// Pauses of a founder: between two looks at its machine, and for the answer
// that its last report waits for.
const (
	foundPause = time.Second
	farewell   = 10 * time.Second
)

// watch returns errFounded when the controller starts its system.
func (f *founder) watch(ctx context.Context, fl *fleet.Fleet) error {
	for {
		for _, m := range fl.Machines() {
			if m.Plan == nil || !m.Plan.Founds {
				continue
			}
			f.mu.Lock()
			f.machine = m.ID // also after a restart
			f.mu.Unlock()
			if !m.Complete() {
				continue
			}
			f.log.Info("the first controller is installed and deploys this rack from now on; this deployer ends",
				"name", m.Name, "address", f.rack.Management.Controller)
			if !pauseFor(ctx, farewell) {
				return nil
			}
			return errFounded
		}
		if !pauseFor(ctx, foundPause) {
			return nil
		}
	}
}

// pauseFor tells whether the context lasted as long.
func pauseFor(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
