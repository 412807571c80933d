package cluster

import (
	"context"
	"embed"
	"log/slog"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Migrations make the tables of the service.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// A Broker makes the queue of a node; bus.Controller is one.
type Broker interface {
	EnsureNode(ctx context.Context, node string) error
}

// Accounts keeps the broker's accounts: exactly these nodes have one.
type Accounts interface {
	SetNodes(ctx context.Context, ids []string) error
}

// Guests tells a node again what its guests shall be.
type Guests interface {
	Resync(ctx context.Context, node string) error
}

// Options is what the service is made of.
type Options struct {
	DB       *store.DB
	Broker   Broker
	Accounts Accounts
	Guests   Guests
	Log      *slog.Logger
	Clock    cloud.Clock
}

// Service is the cluster service.
type Service struct {
	Options
	nodes *store.Table[nodeRow]
	kick  chan struct{} // holds one token while a node may need its queue

	mu    sync.Mutex           // guards heard and ready
	heard map[string]time.Time // last heartbeat that this process saw
	ready map[string]bool      // has account and queue, as far as this process knows
}

// New joins the service to its database and neighbours.
func New(o Options) *Service {
	if o.Clock == nil {
		o.Clock = cloud.SystemClock
	}
	return &Service{
		Options: o, nodes: store.NewTable[nodeRow](o.DB, "nodes"), kick: make(chan struct{}, 1),
		heard: map[string]time.Time{}, ready: map[string]bool{},
	}
}

// Register makes a node known. Doing it again with the same manifest changes
// nothing.
func (s *Service) Register(ctx context.Context, n spec.Node) error {
	if err := n.Check(); err != nil {
		return cloud.BadRequest("%v", err)
	}
	n.Rack = "" // what only the first controller needs is not kept here
	now := s.Clock()
	defer s.wake()
	return s.DB.Transact(ctx, func(tx *store.Tx) error {
		old, err := s.nodes.In(tx).Lock(ctx, n.ID)
		if cloud.IsNotFound(err) {
			s.Log.Info("node registered", "node", n.ID, "name", n.Name)
			return s.nodes.In(tx).Insert(ctx, &nodeRow{ID: n.ID, Name: n.Name, Manifest: n, RegisteredAt: now, UpdatedAt: now})
		}
		if err != nil || sameManifest(old.Manifest, n) {
			return err
		}
		old.Name, old.Manifest, old.UpdatedAt = n.Name, n, now
		return s.nodes.In(tx).Update(ctx, old, "name", "manifest", "updated_at")
	})
}

// Heartbeat takes what a node says of itself. A node that this process has not
// heard of lately is told its guests again.
func (s *Service) Heartbeat(ctx context.Context, h spec.Heartbeat) error {
	now := s.Clock()
	n, err := s.nodes.Change(ctx, store.Set{"heartbeat": store.JSON{Of: h}, "heard_at": now}, store.Eq("id", h.Node))
	if err != nil || n == 0 {
		return err // 0: it was never registered, or no longer is
	}
	s.mu.Lock()
	last, known := s.heard[h.Node]
	s.mu.Unlock()
	if !known || now.Sub(last) > DownAfter {
		s.Log.Info("node is back", "node", h.Node, "name", h.Name)
		if err := s.Guests.Resync(ctx, h.Node); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.heard[h.Node] = now
	s.mu.Unlock()
	return nil
}

// List is every node, in the order of their registration.
func (s *Service) List(ctx context.Context) ([]Node, error) {
	rows, err := s.nodes.List(ctx, store.Query{Sort: []store.Sort{{Column: "seq"}}})
	out := make([]Node, len(rows))
	for i := range rows {
		out[i] = rows[i].view(s.Clock())
	}
	return out, err
}

// Node is one node, by its id; NotFound if there is none.
func (s *Service) Node(ctx context.Context, id string) (Node, error) {
	row, err := s.nodes.Get(ctx, id)
	if cloud.IsNotFound(err) {
		return Node{}, cloud.NotFound("Could not find node %s.", id)
	}
	if err != nil {
		return Node{}, err
	}
	return row.view(s.Clock()), nil
}

// Run gives every node its account and its queue at the broker, until ctx
// ends. What fails is tried again.
func (s *Service) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		pause := time.Minute
		if err := s.ensureAll(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("nodes wait for their queues", "error", err)
			pause = 2 * time.Second
		}
		select {
		case <-ctx.Done():
		case <-s.kick:
		case <-time.After(pause):
		}
	}
	return nil
}

// ensureAll brings the broker in line with the rows.
func (s *Service) ensureAll(ctx context.Context) error {
	rows, err := s.nodes.List(ctx, store.Query{Sort: []store.Sort{{Column: "seq"}}})
	if err != nil {
		return err
	}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	if err := s.Accounts.SetNodes(ctx, ids); err != nil {
		return err
	}
	for _, id := range ids {
		s.mu.Lock()
		done := s.ready[id]
		s.mu.Unlock()
		if done {
			continue
		}
		if err := s.Broker.EnsureNode(ctx, id); err != nil {
			return err
		}
		if err := s.Guests.Resync(ctx, id); err != nil {
			return err
		}
		s.mu.Lock()
		s.ready[id] = true
		s.mu.Unlock()
	}
	return nil
}

func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default: // it is known already
	}
}
