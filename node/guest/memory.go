package guest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/node/host"
	"github.com/cairn-cloud/cairn/node/spec"
)

// A Memory is a driver whose guests exist in memory only. When a guest starts
// and Spec.Console is set, it says so there.
type Memory struct {
	hypervisor spec.Hypervisor

	mu     sync.Mutex // guards what follows
	guests map[string]*memoryGuest
	runs   int64
}

type memoryGuest struct {
	spec Spec
	run  int64 // 0: off
}

// NewMemory returns a driver without guests that says to be h.
func NewMemory(h spec.Hypervisor) *Memory {
	return &Memory{hypervisor: h, guests: map[string]*memoryGuest{}}
}

// Start is that of Driver.
func (m *Memory) Start(ctx context.Context, s Spec) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.guests[s.ID]
	if ok && g.run != 0 {
		return ctx.Err()
	}
	m.runs++
	m.guests[s.ID] = &memoryGuest{spec: s, run: m.runs}
	if s.Console == "" {
		return ctx.Err()
	}
	text := fmt.Sprintf("%s simulated guest %s (%s): %d vCPUs, %d MiB, run %d\n",
		time.Now().UTC().Format(time.RFC3339), s.Name, s.ID, s.VCPUs, s.MemoryMiB, m.runs)
	return host.WriteFile(s.Console, []byte(text), 0o600)
}

// Stop is that of Driver.
func (m *Memory) Stop(ctx context.Context, id string, _ bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g, ok := m.guests[id]; ok {
		g.run = 0
	}
	return ctx.Err()
}

// Delete is that of Driver.
func (m *Memory) Delete(ctx context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.guests, id)
	return ctx.Err()
}

// State is that of Driver.
func (m *Memory) State(ctx context.Context, id string) (State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.guests[id]
	if !ok {
		return State{}, fmt.Errorf("guest %s: %w", id, ErrAbsent)
	}
	return State{Running: g.run != 0, Run: g.run}, ctx.Err()
}

// List is that of Driver.
func (m *Memory) List(ctx context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for id := range m.guests {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, ctx.Err()
}

// About is that of Driver.
func (m *Memory) About(ctx context.Context) (spec.Hypervisor, error) { return m.hypervisor, ctx.Err() }
