package compute

import (
	"context"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Report takes what a host says of a guest. What speaks of another generation
// than the row's, or comes from another host, is dropped.
func (s *Service) Report(ctx context.Context, r spec.Report) error {
	var up *bool
	err := s.db.Transact(ctx, func(tx *store.Tx) error {
		up = nil
		row, err := s.servers.In(tx).Lock(ctx, r.ID)
		if cloud.IsNotFound(err) || err == nil && (row.Generation != r.Generation || row.NodeID != r.Node) {
			return nil
		}
		if err != nil {
			return err
		}
		then, changed := next(row.Intent, row.turn(), r)
		up = ptr(then.vm == VMActive)
		if !changed {
			return nil
		}
		_, err = s.servers.In(tx).Change(ctx, s.settle(row, then), store.Eq("id", row.ID), store.Eq("generation", row.Generation))
		if then.task == TaskReleasing {
			tx.After(s.wake)
		}
		return err
	})
	if err != nil || up == nil {
		return err
	}
	return s.ports.SetUp(ctx, r.ID, *up)
}

// settle is the columns of a server's new state.
func (s *Service) settle(row *serverRow, then turn) store.Set {
	now := s.clock()
	set := store.Set{"vm_state": then.vm, "task_state": then.task, "updated_at": now, "fault": nil}
	if then.fault != "" {
		set["fault"] = store.JSON{Of: fault{Code: 500, Message: then.fault, Created: now}}
	}
	if then.vm == VMActive && row.LaunchedAt == nil {
		set["launched_at"] = now
	}
	return set
}
