package compute

import (
	"context"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/spec"
)

// topicDesired is the topic of messages that tell a host what a guest shall be.
const topicDesired = "desired"

// A telling is the body of such a message. The state itself is put together
// when the message is sent.
type telling struct {
	Server     string `json:"server"`
	Generation int64  `json:"generation"`
}

// intend changes what a server shall be: what change returns, the next
// generation and the message to the host, in one transaction. A server that no
// host was told of yet changes without a message.
func (s *Service) intend(ctx context.Context, id string, change func(row *serverRow) (store.Set, error)) error {
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		row, err := s.servers.In(tx).Lock(ctx, id)
		if cloud.IsNotFound(err) {
			return cloud.NotFound("Instance %s could not be found.", id).Because(err)
		}
		if err != nil {
			return err
		}
		set, err := change(row)
		if err != nil || set == nil {
			return err
		}
		if _, named := set["intent"]; row.Intent == "" && !named {
			_, err := s.servers.In(tx).Change(ctx, set, store.Eq("id", id))
			return err
		}
		set["generation"] = row.Generation + 1
		if _, err := s.servers.In(tx).Change(ctx, set, store.Eq("id", id), store.Eq("generation", row.Generation)); err != nil {
			return err
		}
		return tx.Publish(ctx, topicDesired, row.NodeID, telling{Server: id, Generation: row.Generation + 1})
	})
}

// PortsChanged tells the hosts of servers that their ports have changed.
func (s *Service) PortsChanged(ctx context.Context, serverIDs []string) error {
	for _, id := range serverIDs {
		err := s.intend(ctx, id, func(row *serverRow) (store.Set, error) {
			if row.Intent == "" || row.Intent == spec.PowerGone {
				return nil, nil // the host will be told anyway, or need not be
			}
			return store.Set{"updated_at": row.UpdatedAt}, nil
		})
		if err != nil && !cloud.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// Resync tells a host again what all of its guests shall be: after it was
// registered, was away, or lost what it knew.
func (s *Service) Resync(ctx context.Context, node string) error {
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		rows, err := s.servers.In(tx).List(ctx, store.Query{Where: []store.Cond{
			store.Eq("node_id", node), store.Ne("intent", ""),
		}})
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := tx.Publish(ctx, topicDesired, node, telling{Server: r.ID, Generation: r.Generation}); err != nil {
				return err
			}
		}
		return nil
	})
}
