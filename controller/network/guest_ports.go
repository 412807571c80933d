package network

import (
	"context"
	"net/netip"

	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/controller/network/filter"
	"github.com/cairn-cloud/cairn/node/spec"
)

// leaseSeconds is how long a guest may keep its address without asking again.
const leaseSeconds = 86400

// An Address is one address of a server, with the name of its network.
type Address struct {
	Network string
	Address netip.Addr
	MAC     string
	PortID  string
}

// GuestPorts is everything that a host has to know of a server's ports, in
// their order.
func (s *Service) GuestPorts(ctx context.Context, serverID string) ([]spec.Port, error) {
	rows, err := s.ports.List(ctx, store.Query{
		Where: []store.Cond{store.Eq("device_id", serverID)},
		Sort:  []store.Sort{{Column: "position"}, {Column: "seq"}},
	})
	if err != nil {
		return nil, err
	}
	out := []spec.Port{}
	for _, row := range rows {
		p, err := s.guestPort(ctx, &row)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// guestPort is one port as its host has to know it.
func (s *Service) guestPort(ctx context.Context, row *Port) (spec.Port, error) {
	n, err := s.networks.Get(ctx, row.NetworkID)
	if err != nil {
		return spec.Port{}, err
	}
	p := spec.Port{
		ID: row.ID, NetworkID: n.ID, MAC: row.MAC, VLAN: n.VLAN, MTU: n.MTU,
		Security: row.PortSecurity, AdminUp: row.AdminStateUp && n.AdminStateUp,
	}
	if err := s.fillAddresses(ctx, row, &p); err != nil {
		return p, err
	}
	if !row.PortSecurity {
		return p, nil
	}
	p.Rules, err = s.allowed(ctx, row.ID)
	return p, err
}

// fillAddresses adds the port's addresses and what DHCP says on its subnet.
func (s *Service) fillAddresses(ctx context.Context, row *Port, p *spec.Port) error {
	ips, err := s.fixedIPs(ctx, s.db, []string{row.ID})
	if err != nil {
		return err
	}
	for _, ip := range ips[row.ID] {
		sub, err := s.subnets.Get(ctx, ip.SubnetID)
		if err != nil {
			return err
		}
		addr, err := netip.ParseAddr(ip.IPAddress)
		if err != nil {
			return err
		}
		p.Addresses = append(p.Addresses, spec.Address{
			Address: addr, Bits: sub.prefix().Bits(), Gateway: sub.gateway(), SubnetID: sub.ID,
		})
		if sub.EnableDHCP && p.DHCP == nil {
			if p.DHCP, err = s.dhcpOption(ctx, sub, row.DeviceName); err != nil {
				return err
			}
		}
	}
	return nil
}

// dhcpOption is what DHCP says on a subnet; nil while it has no DHCP address.
func (s *Service) dhcpOption(ctx context.Context, sub *Subnet, hostName string) (*spec.DHCPOption, error) {
	addrs, err := collect(ctx, s.db, column, `SELECT a.address FROM allocations a JOIN ports p ON p.id = a.port_id
		WHERE a.subnet_id = ? AND p.device_owner = ?`, sub.ID, ownerDHCP)
	if err != nil || len(addrs) == 0 {
		return nil, err
	}
	o := &spec.DHCPOption{LeaseSeconds: leaseSeconds, HostName: hostName}
	if o.Server, err = netip.ParseAddr(addrs[0]); err != nil {
		return nil, err
	}
	for _, d := range sub.DNSNameservers {
		if a, err := netip.ParseAddr(d); err == nil {
			o.DNS = append(o.DNS, a)
		}
	}
	for _, r := range sub.HostRoutes {
		if p, err := netip.ParsePrefix(r.Destination); err == nil {
			o.Routes = append(o.Routes, p)
		}
	}
	return o, nil
}

// allowed resolves the rules of a port's groups.
func (s *Service) allowed(ctx context.Context, portID string) ([]spec.Rule, error) {
	rows, err := s.rules.List(ctx, store.Query{
		Where: []store.Cond{store.Sub("group_id", "SELECT group_id FROM port_groups WHERE port_id = ?", portID)},
		Sort:  []store.Sort{{Column: "seq"}},
	})
	if err != nil {
		return nil, err
	}
	members := map[string][]netip.Addr{}
	rules := make([]filter.Rule, 0, len(rows))
	for _, r := range rows {
		if r.RemoteGroupID != nil && members[*r.RemoteGroupID] == nil {
			if members[*r.RemoteGroupID], err = s.membersOf(ctx, *r.RemoteGroupID); err != nil {
				return nil, err
			}
		}
		rules = append(rules, r.filter())
	}
	return filter.Allowed(rules, func(group string) []netip.Addr { return members[group] }), nil
}

// membersOf is every address of a group's ports.
func (s *Service) membersOf(ctx context.Context, group string) ([]netip.Addr, error) {
	texts, err := collect(ctx, s.db, column, `SELECT a.address FROM allocations a
		JOIN port_groups g ON g.port_id = a.port_id WHERE g.group_id = ?`, group)
	addrs := []netip.Addr{}
	for _, t := range texts {
		if a, err := netip.ParseAddr(t); err == nil {
			addrs = append(addrs, a)
		}
	}
	return addrs, err
}

// filter is the rule in the form that the resolution takes.
func (r *SecurityGroupRule) filter() filter.Rule {
	f := filter.Rule{Direction: r.Direction, EtherType: r.EtherType}
	if r.Protocol != nil {
		f.Protocol, _ = filter.Protocol(string(*r.Protocol))
	}
	if r.PortRangeMin != nil && r.PortRangeMax != nil {
		f.PortMin, f.PortMax = *r.PortRangeMin, *r.PortRangeMax
	}
	if r.RemoteIPPrefix != nil {
		f.RemotePrefix, _ = netip.ParsePrefix(*r.RemoteIPPrefix)
	}
	if r.RemoteGroupID != nil {
		f.RemoteGroup = *r.RemoteGroupID
	}
	return f
}

// Addresses is the addresses of servers, by server, in the order of ports.
func (s *Service) Addresses(ctx context.Context, serverIDs []string) (map[string][]Address, error) {
	out := map[string][]Address{}
	if len(serverIDs) == 0 {
		return out, nil
	}
	marks, args := in(serverIDs)
	rows, err := s.db.QueryContext(ctx, `SELECT p.device_id, p.id, p.mac_address, n.name, a.address FROM ports p
		JOIN networks n ON n.id = p.network_id JOIN allocations a ON a.port_id = p.id
		WHERE p.device_id IN `+marks+` ORDER BY p.position, p.seq, a.position`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var server, text string
		var a Address
		if err := rows.Scan(&server, &a.PortID, &a.MAC, &a.Network, &text); err != nil {
			return nil, err
		}
		if a.Address, err = netip.ParseAddr(text); err != nil {
			return nil, err
		}
		out[server] = append(out[server], a)
	}
	return out, rows.Err()
}
