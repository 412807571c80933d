package compute

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/spec"
)

// publish sends one message of the outbox: the whole desired state as the rows
// have it now. A message that a newer one follows is left out.
func (s *Service) publish(ctx context.Context, m store.Message) error {
	var t telling
	if err := json.Unmarshal(m.Body, &t); err != nil {
		return fmt.Errorf("outbox message %d: %w", m.ID, err)
	}
	row, err := s.servers.Get(ctx, t.Server)
	if cloud.IsNotFound(err) || err == nil && (row.Generation > t.Generation || row.NodeID != m.Subject) {
		return nil
	}
	if err != nil {
		return err
	}
	d, err := s.desired(ctx, row)
	if err != nil {
		return err
	}
	return s.bus.Publish(ctx, row.NodeID, d)
}

// desired puts together what the host has to know of a server.
func (s *Service) desired(ctx context.Context, row *serverRow) (spec.Desired, error) {
	ports, err := s.ports.GuestPorts(ctx, row.ID)
	if err != nil {
		return spec.Desired{}, err
	}
	g := row.Guest
	g.Ports, g.Metadata = ports, metadataOf(row)
	g.RebootCount, g.HardReboot = row.RebootCount, row.HardReboot
	return spec.Desired{ID: row.ID, Generation: row.Generation, Power: row.Intent, Guest: g}, nil
}

// metadataOf is what the guest reads of itself.
func metadataOf(row *serverRow) spec.Metadata {
	m := spec.Metadata{
		ServerID: row.ID, ProjectID: row.ProjectID, Name: row.Name, HostName: row.HostName,
		AvailabilityZone: row.Zone, Meta: row.Metadata, UserData: row.UserData, Created: row.CreatedAt,
	}
	if row.KeyName != nil && row.PublicKey != nil {
		m.Keys = map[string]string{*row.KeyName: *row.PublicKey}
	}
	return m
}
