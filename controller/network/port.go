package network

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A Port is one MAC on a network with its addresses. Position orders the ports
// of a device, and Made says that the port was made for its server and ends
// with it.
type Port struct {
	ID             string         `json:"id" db:"id,key" api:"filter,sort"`
	Seq            int64          `json:"-" db:"seq,auto"`
	ProjectID      string         `json:"project_id" db:"project_id" api:"create,setadmin,also=tenant_id,filter,sort"`
	NetworkID      string         `json:"network_id" db:"network_id" api:"create,required,uuid,filter,sort"`
	Name           string         `json:"name" db:"name" api:"create,update,max=255,filter,sort"`
	Description    string         `json:"description" db:"description" api:"create,update,max=255,filter"`
	AdminStateUp   bool           `json:"admin_state_up" db:"admin_state_up" api:"create,update,default=true,filter"`
	MAC            string         `json:"mac_address" db:"mac_address" api:"create,filter"`
	DeviceID       string         `json:"device_id" db:"device_id" api:"create,update,filter"`
	DeviceOwner    string         `json:"device_owner" db:"device_owner" api:"create,update,filter"`
	DeviceName     string         `json:"-" db:"device_name"`
	Position       int            `json:"-" db:"position"`
	Made           bool           `json:"-" db:"made_for_server"`
	Status         string         `json:"status" db:"status" api:"filter,sort"`
	FixedIPs       []FixedIP      `json:"fixed_ips" api:"create"`
	SecurityGroups []string       `json:"security_groups" api:"create,update"`
	PortSecurity   bool           `json:"port_security_enabled" db:"port_security_enabled" api:"create,update,default=true"`
	VNICType       string         `json:"binding:vnic_type" api:"create,default=normal,oneof=normal"`
	HostID         string         `json:"binding:host_id" db:"host_id" api:"admin,filter"`
	VIFType        string         `json:"binding:vif_type" api:"admin"`
	VIFDetails     map[string]any `json:"binding:vif_details" api:"admin"`
	Profile        map[string]any `json:"binding:profile" api:"admin"`
	Tags           []string       `json:"tags"`
	Revision       int            `json:"revision_number" db:"revision_number"`
	CreatedAt      time.Time      `json:"created_at" db:"created_at" api:"sort"`
	UpdatedAt      time.Time      `json:"updated_at" db:"updated_at"`
}

// portsResource describes /ports.
func (s *Service) portsResource() api.Resource[Port] {
	return api.Resource[Port]{
		Name: "port", Path: "/ports", Rows: s.ports,
		Filters: []api.Filter{
			{Name: "fixed_ips", Cond: byFixedIP},
			{Name: "security_groups", Cond: func(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
				marks, args := in(values)
				return []store.Cond{store.Sub("id", "SELECT port_id FROM port_groups WHERE group_id IN "+marks, args...)}, nil
			}},
		},
		Fill:   s.fillPorts,
		Create: s.createPort,
		Update: s.updatePort,
		Delete: s.deletePort,
	}
}

// byFixedIP is the filter fixed_ips=ip_address=... or fixed_ips=subnet_id=...
func byFixedIP(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
	columns := map[string]string{"ip_address": "address", "subnet_id": "subnet_id"}
	byColumn := map[string][]string{}
	for _, v := range values {
		key, value, _ := strings.Cut(v, "=")
		if columns[key] == "" {
			return nil, invalidInput("fixed_ips=%s: allowed: ip_address=ADDRESS or subnet_id=ID.", v)
		}
		byColumn[columns[key]] = append(byColumn[columns[key]], value)
	}
	var conds []store.Cond
	for column, wanted := range byColumn {
		marks, args := in(wanted)
		conds = append(conds, store.Sub("id", "SELECT port_id FROM allocations WHERE "+column+" IN "+marks, args...))
	}
	return conds, nil
}

// fillPorts adds what is not in the row.
func (s *Service) fillPorts(ctx context.Context, _ *api.Call, rows []*Port) error {
	ids := make([]string, len(rows))
	for i, p := range rows {
		ids[i] = p.ID
	}
	ips, err := s.fixedIPs(ctx, s.db, ids)
	if err != nil {
		return err
	}
	groups, err := s.groupsOf(ctx, s.db, ids)
	if err != nil {
		return err
	}
	for _, p := range rows {
		p.FixedIPs, p.SecurityGroups, p.Tags = orEmpty(ips[p.ID]), orEmpty(groups[p.ID]), []string{}
		p.VNICType, p.VIFType, p.Profile, p.VIFDetails = "normal", "unbound", map[string]any{}, map[string]any{}
		if p.HostID != "" {
			p.VIFType, p.VIFDetails = "bridge", map[string]any{"port_filter": true}
		}
	}
	return nil
}

// orEmpty is the list, never null in JSON.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// createPort makes a port that belongs to no server yet.
func (s *Service) createPort(ctx context.Context, c *api.Call, in *Port) (*Port, error) {
	in.ProjectID = projectOf(c, in.ProjectID)
	r := portRequest{Row: *in}
	if c.Has("fixed_ips") {
		r.FixedIPs = orEmpty(in.FixedIPs)
	}
	if c.Has("security_groups") {
		r.Groups = orEmpty(in.SecurityGroups)
	}
	var made *Port
	err := s.db.Transact(ctx, func(tx *store.Tx) error {
		n, err := s.networks.In(tx).Get(ctx, in.NetworkID)
		if cloud.IsNotFound(err) || err == nil && n.ProjectID != c.Caller.ProjectID && !c.Caller.IsAdmin {
			return networkNotFound(in.NetworkID)
		}
		if err != nil {
			return err
		}
		if !c.Has("port_security_enabled") {
			r.Row.PortSecurity = n.PortSecurity
		}
		made, err = s.makePort(ctx, tx, r)
		return err
	})
	return made, err
}

// updatePort changes a port; the host of its server is told.
func (s *Service) updatePort(ctx context.Context, c *api.Call, old, changed *Port) (*Port, error) {
	changed.Revision, changed.UpdatedAt = old.Revision+1, s.clock()
	return changed, s.db.Transact(ctx, func(tx *store.Tx) error {
		before, err := s.groupsOf(ctx, tx, []string{old.ID})
		if err != nil {
			return err
		}
		if err := s.ports.In(tx).Update(ctx, changed, "name", "description", "admin_state_up", "device_id",
			"device_owner", "port_security_enabled", "revision_number", "updated_at"); err != nil {
			return err
		}
		after := before[old.ID]
		if c.Has("security_groups") {
			if after, err = s.groupsForPort(ctx, tx, changed, orEmpty(changed.SecurityGroups)); err != nil {
				return err
			}
		} else if len(after) > 0 && !changed.PortSecurity {
			return conflict("PortSecurityPortHasSecurityGroup", "Port has security group associated. Cannot disable port security until it is removed.")
		}
		changed.SecurityGroups = after
		if err := s.setGroups(ctx, tx, changed.ID, after); err != nil {
			return err
		}
		if err := s.note(ctx, tx, topicMembers, slices.Concat(before[old.ID], after)...); err != nil {
			return err
		}
		return s.note(ctx, tx, topicServer, changed.DeviceID)
	})
}

// deletePort removes a port that no server holds.
func (s *Service) deletePort(ctx context.Context, _ *api.Call, row *Port) error {
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		p, err := s.ports.In(tx).Lock(ctx, row.ID)
		if err != nil {
			return err
		}
		if p.DeviceOwner == ownerDHCP {
			return conflict("ServicePortInUse", "Port %s cannot be deleted directly via the port API: has device owner %s.", p.ID, ownerDHCP)
		}
		if p.HostID != "" {
			return conflict("PortInUse", "Port %s is in use by server %s.", p.ID, p.DeviceID)
		}
		return s.dropPort(ctx, tx, p)
	})
}

// fixedIPs is the addresses of ports, by port, in their order.
func (s *Service) fixedIPs(ctx context.Context, q store.Querier, ports []string) (map[string][]FixedIP, error) {
	out := map[string][]FixedIP{}
	if len(ports) == 0 {
		return out, nil
	}
	marks, args := in(ports)
	type row struct {
		port string
		ip   FixedIP
	}
	rows, err := collect(ctx, q, func(scan func(...any) error) (r row, err error) {
		err = scan(&r.port, &r.ip.SubnetID, &r.ip.IPAddress)
		return r, err
	}, "SELECT port_id, subnet_id, address FROM allocations WHERE port_id IN "+marks+" ORDER BY position, address", args...)
	for _, r := range rows {
		out[r.port] = append(out[r.port], r.ip)
	}
	return out, err
}

// groupsOf is the ids of the groups of ports, by port.
func (s *Service) groupsOf(ctx context.Context, q store.Querier, ports []string) (map[string][]string, error) {
	out := map[string][]string{}
	if len(ports) == 0 {
		return out, nil
	}
	marks, args := in(ports)
	rows, err := collect(ctx, q, columns2, "SELECT port_id, group_id FROM port_groups WHERE port_id IN "+marks, args...)
	for _, r := range rows {
		out[r.a] = append(out[r.a], r.b)
	}
	return out, err
}
