package network

import (
	"context"

	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// tell says that what a port's server must be told has changed.
func (s *Service) tell(ctx context.Context, p *Port) error {
	if p.DeviceOwner != ownerCompute || p.HostID == "" {
		return nil
	}
	return s.guests.PortsChanged(ctx, []string{p.DeviceID})
}

// tellMembers says that the members of groups have changed: every port with a
// rule that names one of the groups lets others in now.
func (s *Service) tellMembers(ctx context.Context, groups []string) error {
	if len(groups) == 0 {
		return nil
	}
	marks, args := in(groups)
	return s.tellPorts(ctx, s.db, `SELECT DISTINCT p.device_id FROM ports p JOIN port_groups g ON g.port_id = p.id
		JOIN security_group_rules r ON r.group_id = g.group_id WHERE r.remote_group_id IN `+marks+placed, args...)
}

// tellGroup says that the rules of a group have changed.
func (s *Service) tellGroup(ctx context.Context, group string) error {
	return s.tellPorts(ctx, s.db, `SELECT DISTINCT p.device_id FROM ports p JOIN port_groups g ON g.port_id = p.id
		WHERE g.group_id = ?`+placed, group)
}

// placed is the condition of ports whose server has a host.
const placed = " AND p.device_owner = '" + ownerCompute + "' AND p.host_id <> ''"

func (s *Service) tellPorts(ctx context.Context, q store.Querier, query string, args ...any) error {
	servers, err := collect(ctx, q, column, query, args...)
	if err != nil || len(servers) == 0 {
		return err
	}
	return s.guests.PortsChanged(ctx, servers)
}
