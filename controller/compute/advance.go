package compute

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/controller/compute/scheduler"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Run does the service's own work until ctx ends: it sends what the outbox
// holds and takes servers through the steps that are the controller's.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.db.Dispatch(ctx, s.log, s.publish) })
	g.Go(func() error {
		for ctx.Err() == nil {
			s.advanceAll(ctx)
			select {
			case <-ctx.Done():
			case <-s.kick:
			case <-time.After(2 * time.Second): // what failed is tried again
			}
		}
		return nil
	})
	return g.Wait()
}

// wake says that a server waits for the controller's work.
func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default: // it is known already
	}
}

// advanceAll takes every server that waits one or more steps further.
func (s *Service) advanceAll(ctx context.Context) {
	rows, err := s.servers.List(ctx, store.Query{
		Where: []store.Cond{store.In("task_state", TaskScheduling, TaskNetworking, TaskReleasing)},
		Sort:  []store.Sort{{Column: "seq"}},
	})
	if err != nil {
		if ctx.Err() == nil {
			s.log.Warn("cannot read servers that wait", "error", err)
		}
		return
	}
	for _, r := range rows {
		if err := s.advance(ctx, r.ID); err != nil && ctx.Err() == nil {
			s.log.Warn("a server waits longer", "server", r.ID, "error", err)
		}
	}
}

// advance takes one server through the controller's steps until it waits for
// its host. Each step reads the row anew and is safe to repeat.
func (s *Service) advance(ctx context.Context, id string) error {
	for {
		row, err := s.servers.Get(ctx, id)
		if cloud.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		switch row.Task {
		case TaskScheduling:
			err = s.schedule(ctx, row)
		case TaskNetworking:
			err = s.spawn(ctx, row)
		case TaskReleasing:
			err = s.release(ctx, row)
		default:
			return nil
		}
		if err != nil && !s.giveUp(ctx, row, err) {
			return err
		}
	}
}

// schedule chooses the host.
func (s *Service) schedule(ctx context.Context, row *serverRow) error {
	hosts, err := s.candidates(ctx)
	if err != nil {
		return err
	}
	h, err := scheduler.Choose(hosts, scheduler.Request{
		Driver: string(row.Guest.Driver), VCPUs: row.VCPUs, MemoryMiB: row.RAM, Host: row.ForcedHost,
	})
	if err != nil {
		return err
	}
	_, err = s.servers.Change(ctx, store.Set{"node_id": h.ID, "node_name": h.Name, "task_state": TaskNetworking, "updated_at": s.clock()},
		store.Eq("id", row.ID), store.Eq("task_state", TaskScheduling))
	return err
}

// candidates is every host with what its servers were promised.
func (s *Service) candidates(ctx context.Context) ([]scheduler.Host, error) {
	hosts, err := s.hosts.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	used, err := s.usage(ctx)
	if err != nil {
		return nil, err
	}
	disabled, err := s.disabledHosts(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]scheduler.Host, 0, len(hosts))
	for _, h := range hosts {
		c := scheduler.Host{
			ID: h.ID, Name: h.Name, Ready: h.Ready, VCPUs: h.VCPUs, MemoryMiB: h.MemoryMiB,
			UsedVCPUs: used[h.ID].VCPUs, UsedMemoryMiB: used[h.ID].MemoryMiB, Servers: used[h.ID].Servers,
		}
		_, c.Disabled = disabled[h.ID]
		for _, d := range h.Hypervisors {
			c.Drivers = append(c.Drivers, string(d.Driver))
		}
		out = append(out, c)
	}
	return out, nil
}

// spawn makes the ports and tells the host.
func (s *Service) spawn(ctx context.Context, row *serverRow) error {
	err := s.ports.Bind(ctx, Binding{
		ProjectID: row.ProjectID, ServerID: row.ID, HostName: row.HostName, Host: row.NodeName,
		Attach: row.Networks, Groups: row.Groups,
	})
	if err != nil {
		return err
	}
	return s.intend(ctx, row.ID, func(now *serverRow) (store.Set, error) {
		if now.Task != TaskNetworking {
			return nil, nil // it was deleted meanwhile
		}
		return store.Set{"intent": spec.PowerOn, "task_state": TaskSpawning, "updated_at": s.clock()}, nil
	})
}

// release gives back what a server had, and its row last.
func (s *Service) release(ctx context.Context, row *serverRow) error {
	if err := s.ports.Release(ctx, row.ID); err != nil {
		return err
	}
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		n, err := s.servers.In(tx).Delete(ctx, store.Eq("id", row.ID), store.Eq("task_state", TaskReleasing))
		if err != nil || n == 0 {
			return err
		}
		for name, amount := range map[string]int{"instances": 1, "cores": row.VCPUs, "ram": row.RAM} {
			if err := s.quotas.Release(ctx, tx, row.ProjectID, name, int64(amount)); err != nil {
				return err
			}
		}
		return nil
	})
}

// giveUp puts a server that cannot be built into error and tells whether it
// did; what may go away by itself is tried again.
func (s *Service) giveUp(ctx context.Context, row *serverRow, cause error) bool {
	var none *scheduler.NoHost
	kind := cloud.KindOf(cause)
	final := errors.As(cause, &none) || kind != cloud.KindInternal && kind != cloud.KindUnavailable
	if !final || row.Task == TaskReleasing {
		return false
	}
	message := cause.Error()
	if e, ok := errors.AsType[*cloud.Error](cause); ok {
		message = e.Message
	}
	s.log.Info("a server cannot be built", "server", row.ID, "error", cause)
	if err := s.ports.Release(ctx, row.ID); err != nil {
		return false
	}
	n, err := s.servers.Change(ctx, s.settle(row, turn{vm: VMError, fault: message}),
		store.Eq("id", row.ID), store.Eq("task_state", row.Task))
	return err == nil && n > 0
}
