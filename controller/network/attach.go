package network

import (
	"context"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/google/uuid"
)

// An Attachment is one network that a server shall be on: any address of a
// network, one of its addresses, or a port that exists.
type Attachment struct {
	NetworkID string
	PortID    string
	FixedIP   string
}

// A Binding asks for all ports of one server. Groups are names or ids of
// security groups for the ports that are made; none means the default group.
type Binding struct {
	ProjectID string
	ServerID  string
	HostName  string // of the guest, for DHCP
	Host      string // name of the host
	Attach    []Attachment
	Groups    []string
}

// Bind makes or takes the server's ports and binds them to a host. It may be
// called again after a crash at any point: ports that are there stay.
func (s *Service) Bind(ctx context.Context, b Binding) error {
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		groups, err := s.groupsByName(ctx, tx, b.ProjectID, b.Groups)
		if err != nil {
			return err
		}
		for i, a := range b.Attach {
			if a.PortID != "" {
				err = s.takePort(ctx, tx, b, i)
			} else {
				err = s.ensurePort(ctx, tx, b, i, groups)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// takePort binds a port that the user made.
func (s *Service) takePort(ctx context.Context, tx *store.Tx, b Binding, i int) error {
	id := b.Attach[i].PortID
	p, err := s.ports.In(tx).Lock(ctx, id)
	if cloud.IsNotFound(err) || err == nil && p.ProjectID != b.ProjectID {
		return portNotFound(id)
	}
	if err != nil {
		return err
	}
	if p.DeviceID != "" && p.DeviceID != b.ServerID {
		return conflict("PortInUse", "Port %s is still in use.", id)
	}
	p.DeviceID, p.DeviceOwner, p.DeviceName = b.ServerID, ownerCompute, b.HostName
	p.HostID, p.Position, p.UpdatedAt = b.Host, i, s.clock()
	return s.ports.In(tx).Update(ctx, p, "device_id", "device_owner", "device_name", "host_id", "position", "updated_at")
}

// ensurePort makes the port for one attachment. Its id follows from the server
// and the place, so a second call finds it.
func (s *Service) ensurePort(ctx context.Context, tx *store.Tx, b Binding, i int, groups []string) error {
	id := uuid.NewSHA1(uuid.MustParse(b.ServerID), []byte{byte(i)}).String()
	n, err := s.ports.In(tx).Change(ctx, store.Set{"host_id": b.Host}, store.Eq("id", id))
	if err != nil || n > 0 {
		return err
	}
	a := b.Attach[i]
	net, err := s.networks.In(tx).First(ctx, store.Eq("id", a.NetworkID), store.Eq("project_id", b.ProjectID))
	if cloud.IsNotFound(err) {
		return networkNotFound(a.NetworkID)
	}
	if err != nil {
		return err
	}
	var ips []FixedIP
	if a.FixedIP != "" {
		ips = []FixedIP{{IPAddress: a.FixedIP}}
	}
	if !net.PortSecurity {
		groups = []string{}
	}
	_, err = s.makePort(ctx, tx, portRequest{
		Row: Port{
			ID: id, ProjectID: b.ProjectID, NetworkID: net.ID, AdminStateUp: true,
			DeviceID: b.ServerID, DeviceOwner: ownerCompute, DeviceName: b.HostName,
			HostID: b.Host, Position: i, Made: true, PortSecurity: net.PortSecurity,
		},
		FixedIPs: ips, Groups: groups,
	})
	return err
}

// groupsByName finds groups by id or by name; nil for none.
func (s *Service) groupsByName(ctx context.Context, tx *store.Tx, project string, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	if _, err := s.defaultGroup(ctx, tx, project); err != nil {
		return nil, err
	}
	ids := []string{}
	for _, name := range names {
		found, err := s.groups.In(tx).List(ctx, store.Query{Where: []store.Cond{
			store.Eq("project_id", project), store.Or(store.Eq("id", name), store.Eq("name", name)),
		}})
		switch {
		case err != nil:
			return nil, err
		case len(found) == 0:
			return nil, groupNotFound(name)
		case len(found) > 1:
			return nil, conflict("NoUniqueMatch", "Multiple security groups match '%s'. Use an ID to be more specific.", name)
		}
		if !slices.Contains(ids, found[0].ID) {
			ids = append(ids, found[0].ID)
		}
	}
	return ids, nil
}

// Release gives back the ports of a server that is gone: those that were made
// for it end, those of the user become free.
func (s *Service) Release(ctx context.Context, serverID string) error {
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		rows, err := s.ports.In(tx).List(ctx, store.Query{Where: []store.Cond{store.Eq("device_id", serverID)}})
		if err != nil {
			return err
		}
		for _, p := range rows {
			if p.Made {
				err = s.dropPort(ctx, tx, &p)
			} else {
				// It stays a member of its groups with its addresses: nobody else has to be told.
				_, err = s.ports.In(tx).Change(ctx, store.Set{
					"device_id": "", "device_owner": "", "device_name": "", "host_id": "", "status": "DOWN", "updated_at": s.clock(),
				}, store.Eq("id", p.ID))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// SetUp records whether the guest that holds the ports runs.
func (s *Service) SetUp(ctx context.Context, serverID string, up bool) error {
	status := "DOWN"
	if up {
		status = "ACTIVE"
	}
	_, err := s.ports.Change(ctx, store.Set{"status": status}, store.Eq("device_id", serverID), store.Ne("status", status))
	return err
}

// Check tells what a server cannot be attached to, before it is made.

func (s *Service) Check(ctx context.Context, project string, attach []Attachment, groups []string) error {
	for _, a := range attach {
		if a.PortID != "" {
			p, err := s.ports.First(ctx, store.Eq("id", a.PortID), store.Eq("project_id", project))
			if cloud.IsNotFound(err) {
				return portNotFound(a.PortID)
			}
			if err == nil && p.DeviceID != "" {
				err = conflict("PortInUse", "Port %s is still in use.", a.PortID)
			}
			if err != nil {
				return err
			}
			continue
		}
		n, err := s.networks.Count(ctx, store.Eq("id", a.NetworkID), store.Eq("project_id", project))
		if err == nil && n == 0 {
			err = networkNotFound(a.NetworkID)
		}
		if err != nil {
			return err
		}
	}
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		_, err := s.groupsByName(ctx, tx, project, groups)
		return err
	})
}

// NetworksOf is the ids of the project's networks that have a subnet: what a
// server that names no network may be attached to.
func (s *Service) NetworksOf(ctx context.Context, project string) ([]string, error) {
	return collect(ctx, s.db, column, `SELECT n.id FROM networks n WHERE n.project_id = ?
		AND EXISTS (SELECT 1 FROM subnets s WHERE s.network_id = n.id) ORDER BY n.seq`, project)
}
