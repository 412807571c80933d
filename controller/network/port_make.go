package network

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// Owners of ports, as Neutron calls them.
const (
	ownerDHCP    = "network:dhcp"
	ownerCompute = "compute:nova"
)

// A portRequest is what a new port shall be. Zero fields are chosen: the id,
// the MAC, one address (FixedIPs nil), the default security group (Groups nil).
type portRequest struct {
	Row      Port
	FixedIPs []FixedIP
	Groups   []string
}

// makePort writes a port with its addresses and groups. The row of the network
// stays locked until the transaction ends, so that addresses and MACs are
// chosen one port after the other.
func (s *Service) makePort(ctx context.Context, tx *store.Tx, r portRequest) (*Port, error) {
	row := r.Row
	n, err := s.networks.In(tx).Lock(ctx, row.NetworkID)
	if cloud.IsNotFound(err) {
		return nil, networkNotFound(row.NetworkID)
	}
	if err != nil {
		return nil, err
	}
	if err := s.quotas.Reserve(ctx, tx, row.ProjectID, "port", 1); err != nil {
		return nil, err
	}
	if row.ID == "" {
		row.ID = cloud.NewID()
	}
	if row.MAC, err = s.chooseMAC(ctx, tx, n.ID, row.MAC); err != nil {
		return nil, err
	}
	if row.Status == "" {
		row.Status = "DOWN"
	}
	row.Revision, row.CreatedAt = 1, s.clock()
	row.UpdatedAt = row.CreatedAt
	if err := s.ports.In(tx).Insert(ctx, &row); err != nil {
		return nil, err
	}
	ips, err := s.allocate(ctx, tx, n.ID, row.ID, r.FixedIPs)
	if err != nil {
		return nil, err
	}
	groups, err := s.groupsForPort(ctx, tx, &row, r.Groups)
	if err != nil {
		return nil, err
	}
	if err := s.setGroups(ctx, tx, row.ID, groups); err != nil {
		return nil, err
	}
	if err := s.note(ctx, tx, topicMembers, groups...); err != nil {
		return nil, err
	}
	row.FixedIPs, row.SecurityGroups = ips, groups
	return &row, nil
}

// groupsForPort checks the wanted groups; nil means the project's default
// group, unless the port goes without security.
func (s *Service) groupsForPort(ctx context.Context, tx *store.Tx, row *Port, wanted []string) ([]string, error) {
	if wanted == nil && row.PortSecurity && row.DeviceOwner != ownerDHCP {
		id, err := s.defaultGroup(ctx, tx, row.ProjectID)
		return []string{id}, err
	}
	if len(wanted) > 0 && !row.PortSecurity {
		return nil, conflict("PortSecurityAndIPRequiredForSecurityGroups", "Port security must be enabled and port must have an IP address in order to use security groups.")
	}
	return s.checkGroups(ctx, tx, row.ProjectID, wanted)
}

// checkGroups tells whether the project has all of the groups.
func (s *Service) checkGroups(ctx context.Context, q store.Querier, project string, ids []string) ([]string, error) {
	out := []string{}
	for _, id := range ids {
		g, err := s.groups.In(q).First(ctx, store.Eq("id", id), store.Eq("project_id", project))
		if cloud.IsNotFound(err) {
			return nil, groupNotFound(id)
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, g.ID) {
			out = append(out, g.ID)
		}
	}
	return out, nil
}

// setGroups writes which groups a port is a member of.
func (s *Service) setGroups(ctx context.Context, q store.Querier, port string, groups []string) error {
	if _, err := q.ExecContext(ctx, "DELETE FROM port_groups WHERE port_id = ?", port); err != nil {
		return err
	}
	for _, g := range groups {
		if _, err := q.ExecContext(ctx, "INSERT INTO port_groups (port_id, group_id) VALUES (?, ?)", port, g); err != nil {
			return err
		}
	}
	return nil
}

// chooseMAC checks a wanted MAC or makes one that the network does not have.
func (s *Service) chooseMAC(ctx context.Context, q store.Querier, network, wanted string) (string, error) {
	if wanted != "" {
		mac, err := parseMAC(wanted)
		if err != nil {
			return "", err
		}
		n, err := s.ports.In(q).Count(ctx, store.Eq("network_id", network), store.Eq("mac_address", mac))
		if err == nil && n > 0 {
			err = conflict("MacAddressInUse", "Unable to complete operation for network %s. The mac address %s is in use.", network, mac)
		}
		return mac, err
	}
	for {
		mac := newMAC()
		n, err := s.ports.In(q).Count(ctx, store.Eq("network_id", network), store.Eq("mac_address", mac))
		if err != nil || n == 0 {
			return mac, err
		}
	}
}

// parseMAC reads a unicast MAC and answers with its one spelling.
func parseMAC(s string) (string, error) {
	hw, err := net.ParseMAC(strings.ToLower(s))
	if err != nil || len(hw) != 6 || hw[0]&1 == 1 || slices.Max(hw) == 0 {
		return "", invalidInput("'%s' is not a valid MAC address.", s)
	}
	return hw.String(), nil
}

// newMAC is a random MAC under Neutron's default prefix fa:16:3e.
func newMAC() string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", b[0], b[1], b[2])
}

// dropPort removes a port with its addresses and memberships.
func (s *Service) dropPort(ctx context.Context, tx *store.Tx, row *Port) error {
	groups, err := s.groupsOf(ctx, tx, []string{row.ID})
	if err != nil {
		return err
	}
	n, err := s.ports.In(tx).Delete(ctx, store.Eq("id", row.ID))
	if err != nil || n == 0 {
		return err
	}
	if err := s.note(ctx, tx, topicMembers, groups[row.ID]...); err != nil {
		return err
	}
	return s.quotas.Release(ctx, tx, row.ProjectID, "port", 1)
}
