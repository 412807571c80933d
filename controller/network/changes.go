package network

import (
	"context"

	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// What hosts have to be told follows from rows, so a transaction that changes
// them only notes what it changed, in the outbox; Run finds out whom that
// concerns. A crash in between loses nothing.

// The topics of the notes. The subject is an id.
const (
	topicMembers = "members" // of a group: who is in it, or where
	topicRules   = "rules"   // of a group
	topicServer  = "server"  // the ports of a server
)

func (s *Service) note(ctx context.Context, tx *store.Tx, topic string, ids ...string) error {
	for _, id := range ids {
		if err := tx.Publish(ctx, topic, id, struct{}{}); err != nil {
			return err
		}
	}
	return nil
}

// Run tells hosts what has changed until ctx ends.
func (s *Service) Run(ctx context.Context) error { return s.db.Dispatch(ctx, s.log, s.pass) }

// pass finds out which servers a note concerns and names them to compute.
func (s *Service) pass(ctx context.Context, m store.Message) error {
	const placed = " AND p.device_owner = '" + ownerCompute + "' AND p.host_id <> ''"
	query := `SELECT DISTINCT p.device_id FROM ports p WHERE p.device_id = ?` + placed
	switch m.Topic {
	case topicMembers: // every port with a rule that names the group lets others in now
		query = `SELECT DISTINCT p.device_id FROM ports p JOIN port_groups g ON g.port_id = p.id
			JOIN security_group_rules r ON r.group_id = g.group_id WHERE r.remote_group_id = ?` + placed
	case topicRules:
		query = `SELECT DISTINCT p.device_id FROM ports p JOIN port_groups g ON g.port_id = p.id WHERE g.group_id = ?` + placed
	}
	servers, err := collect(ctx, s.db, column, query, m.Subject)
	if err != nil || len(servers) == 0 {
		return err
	}
	return s.guests.PortsChanged(ctx, servers)
}
