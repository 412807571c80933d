// Package simnode is a node without hardware: the real agent over a driver
// that keeps its guests in memory. To the controller it is a compute node; it
// is for tests, for a cloud on one machine, and for scale.
package simnode

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/cairn-cloud/cairn/node/agent"
	"github.com/cairn-cloud/cairn/node/bus"
	"github.com/cairn-cloud/cairn/node/guest"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Options describe a simulated node. Capacities that are zero get those of a
// small server.
type Options struct {
	ID        string
	Name      string
	StateDir  string // what the node keeps over a restart; made if absent
	VCPUs     int
	MemoryMiB int
	DiskGiB   int
	Beat      time.Duration // between heartbeats; zero: as a real node
	Log       *slog.Logger
}

// Run is a node until ctx ends. It returns ctx's error.
func Run(ctx context.Context, b bus.Node, o Options) error {
	a, err := New(b, o)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// New makes a node; its Run does the rest.
func New(b bus.Node, o Options) (*agent.Agent, error) {
	if o.ID == "" || o.StateDir == "" {
		return nil, fmt.Errorf("simulated node: id is %q and state directory %q; allowed: not empty", o.ID, o.StateDir)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.VCPUs == 0 {
		o.VCPUs = 32
	}
	if o.MemoryMiB == 0 {
		o.MemoryMiB = 128 << 10
	}
	if o.DiskGiB == 0 {
		o.DiskGiB = 1000
	}
	drivers := map[spec.Driver]guest.Driver{}
	for _, d := range []spec.Driver{spec.DriverQEMU, spec.DriverLXC} {
		drivers[d] = guest.NewMemory(spec.Hypervisor{Driver: d, Accel: accel(d), Reason: "simulated", Version: "1.0.0"})
	}
	return agent.New(agent.Needs{
		Bus: b, Drivers: drivers, Network: network{}, Self: self{o}, Log: o.Log,
		Store: store{dir: filepath.Join(o.StateDir, "guests")},
	}, agent.Options{
		StateDir: filepath.Join(o.StateDir, "agent"),
		Boot:     uuid.NewString(), // each start is one of the machine: guests are started again
		Beat:     o.Beat,
	})
}

func accel(d spec.Driver) string {
	if d == spec.DriverQEMU {
		return "tcg"
	}
	return ""
}

// network has no wires.
type network struct{}

func (network) Restore(ctx context.Context, _ []agent.Wiring) error { return ctx.Err() }
func (network) Connect(ctx context.Context, _ agent.Wiring) error   { return ctx.Err() }
func (network) Disconnect(ctx context.Context, _ string) error      { return ctx.Err() }
func (network) Checks(context.Context) []spec.Check {
	return []spec.Check{{Name: "bridge", OK: true}}
}

// store keeps the console of each guest and nothing else.
type store struct{ dir string }

func (s store) Prepare(ctx context.Context, _ spec.Guest, g *guest.Spec, _ func(string)) error {
	if err := os.MkdirAll(filepath.Dir(s.Console(g.ID)), 0o700); err != nil {
		return err
	}
	return ctx.Err()
}

func (s store) Console(id string) string { return filepath.Join(s.dir, id, "console.log") }

func (s store) Forget(ctx context.Context, _ []spec.Image, _ time.Time) (int64, error) {
	return 0, ctx.Err()
}

func (s store) Remove(ctx context.Context, id string) error {
	if err := os.RemoveAll(filepath.Join(s.dir, id)); err != nil {
		return err
	}
	return ctx.Err()
}

// self is what the options say.
type self struct{ o Options }

func (s self) Describe(context.Context) spec.Heartbeat {
	return spec.Heartbeat{
		Node: s.o.ID, Name: s.o.Name, Version: "simulated",
		VCPUs: s.o.VCPUs, MemoryMiB: s.o.MemoryMiB, DiskGiB: s.o.DiskGiB,
	}
}
