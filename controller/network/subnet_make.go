package network

import (
	"context"
	"net/netip"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/controller/network/ipam"
)

// subnetsOf is the subnets of a network, the oldest first.
func (s *Service) subnetsOf(ctx context.Context, q store.Querier, networkID string) ([]Subnet, error) {
	return s.subnets.In(q).List(ctx, store.Query{
		Where: []store.Cond{store.Eq("network_id", networkID)},
		Sort:  []store.Sort{{Column: "seq"}},
	})
}

// makeSubnet writes a subnet and reserves its DHCP address.
func (s *Service) makeSubnet(ctx context.Context, tx *store.Tx, row *Subnet) error {
	n, err := s.networks.In(tx).Lock(ctx, row.NetworkID)
	if cloud.IsNotFound(err) || err == nil && n.ProjectID != row.ProjectID {
		return networkNotFound(row.NetworkID)
	}
	if err != nil {
		return err
	}
	if err := s.quotas.Reserve(ctx, tx, row.ProjectID, "subnet", 1); err != nil {
		return err
	}
	others, err := s.subnetsOf(ctx, tx, n.ID)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.prefix().Overlaps(row.prefix()) {
			return invalidInput("Requested subnet with cidr: %s for network: %s overlaps with another subnet.", row.CIDR, n.ID)
		}
	}
	if row.ID == "" {
		row.ID = cloud.NewID()
	}
	row.CreatedAt = s.clock()
	row.UpdatedAt = row.CreatedAt
	if err := s.subnets.In(tx).Insert(ctx, row); err != nil {
		return err
	}
	if !row.EnableDHCP {
		return nil
	}
	return s.reserveDHCP(ctx, tx, n, row)
}

// reserveDHCP takes one address of the subnet for the network's DHCP port, if
// it has none there yet. The row of the network must be locked.
func (s *Service) reserveDHCP(ctx context.Context, tx *store.Tx, n *Network, sub *Subnet) error {
	port, err := s.ports.In(tx).First(ctx, store.Eq("network_id", n.ID), store.Eq("device_owner", ownerDHCP))
	if cloud.IsNotFound(err) {
		_, err := s.makePort(ctx, tx, portRequest{
			Row: Port{
				ProjectID: n.ProjectID, NetworkID: n.ID, AdminStateUp: true, Status: "ACTIVE",
				DeviceOwner: ownerDHCP, DeviceID: "dhcp-" + n.ID,
			},
			FixedIPs: []FixedIP{{SubnetID: sub.ID}},
		})
		return err
	}
	if err != nil {
		return err
	}
	ips, err := s.fixedIPs(ctx, tx, []string{port.ID})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(ips[port.ID], func(ip FixedIP) bool { return ip.SubnetID == sub.ID }) {
		return nil
	}
	_, err = s.allocate(ctx, tx, n.ID, port.ID, []FixedIP{{SubnetID: sub.ID}})
	return err
}

// dropSubnet removes a subnet unless a port other than DHCP's has an address
// of it.
func (s *Service) dropSubnet(ctx context.Context, tx *store.Tx, id string) error {
	row, err := s.subnets.In(tx).Get(ctx, id)
	if err != nil {
		return err
	}
	if _, err := s.networks.In(tx).Lock(ctx, row.NetworkID); err != nil {
		return err
	}
	users, err := collect(ctx, tx, columns2, `SELECT p.id, p.device_owner FROM ports p JOIN allocations a ON a.port_id = p.id
		WHERE a.subnet_id = ?`, id)
	if err != nil {
		return err
	}
	for _, u := range users {
		if u.b != ownerDHCP {
			return conflict("SubnetInUse", "Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.", id)
		}
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM allocations WHERE subnet_id = ?", id); err != nil {
		return err
	}
	if err := s.dropEmptyDHCP(ctx, tx, row.NetworkID); err != nil {
		return err
	}
	if _, err := s.subnets.In(tx).Delete(ctx, store.Eq("id", id)); err != nil {
		return err
	}
	return s.quotas.Release(ctx, tx, row.ProjectID, "subnet", 1)
}

// dropEmptyDHCP removes the network's DHCP port when it has no address left.
func (s *Service) dropEmptyDHCP(ctx context.Context, tx *store.Tx, networkID string) error {
	port, err := s.ports.In(tx).First(ctx, store.Eq("network_id", networkID), store.Eq("device_owner", ownerDHCP))
	if cloud.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	ips, err := s.fixedIPs(ctx, tx, []string{port.ID})
	if err != nil || len(ips[port.ID]) > 0 {
		return err
	}
	return s.dropPort(ctx, tx, port)
}

// A subnetPlan is the addresses of a subnet as a request gives them: what is
// left out follows from the rest.
type subnetPlan struct {
	CIDR      string
	Gateway   *string // nil with HasGateway: none
	HasGate   bool    // the request speaks of the gateway
	Pools     []ipam.Range
	DNS       []string
	Routes    []HostRoute
	IPVersion int
}

// settle checks the plan and writes it into a row.
func (p *subnetPlan) settle(row *Subnet) error {
	cidr, err := netip.ParsePrefix(p.CIDR)
	if err != nil {
		return invalidInput("'%s' is not a valid CIDR.", p.CIDR)
	}
	if p.IPVersion != 4 || !cidr.Addr().Is4() {
		return invalidInput("ip_version %d, cidr %s: only IPv4 subnets are offered.", p.IPVersion, p.CIDR)
	}
	if cidr.Bits() < 8 || cidr.Bits() > 30 {
		return invalidInput("cidr %s: the prefix length has to be from 8 to 30.", p.CIDR)
	}
	cidr = cidr.Masked()
	row.CIDR = cidr.String()
	gateway, err := p.gateway(cidr)
	if err != nil {
		return err
	}
	row.GatewayIP = nil
	if gateway.IsValid() {
		text := gateway.String()
		row.GatewayIP = &text
	}
	if row.AllocationPools = p.Pools; p.Pools == nil {
		row.AllocationPools = ipam.DefaultPools(cidr, gateway)
	}
	if err := ipam.CheckPools(cidr, gateway, row.AllocationPools); err != nil {
		return invalidInput("%v.", err)
	}
	return p.options(row, gateway)
}

// gateway is the subnet's gateway, the zero Addr for none.
func (p *subnetPlan) gateway(cidr netip.Prefix) (netip.Addr, error) {
	if !p.HasGate {
		return ipam.DefaultGateway(cidr), nil
	}
	if p.Gateway == nil {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(*p.Gateway)
	if err != nil {
		return a, invalidInput("'%s' is not a valid IP address.", *p.Gateway)
	}
	if !ipam.Usable(cidr).Contains(a) {
		return a, badRequest("GatewayIpInvalid", "Gateway %s is not a usable address of %s.", a, cidr)
	}
	return a, nil
}

// options checks and writes what DHCP says.
func (p *subnetPlan) options(row *Subnet, gateway netip.Addr) error {
	row.DNSNameservers, row.HostRoutes = []string{}, []HostRoute{}
	for _, d := range p.DNS {
		if _, err := netip.ParseAddr(d); err != nil {
			return invalidInput("'%s' is not a valid nameserver.", d)
		}
		row.DNSNameservers = append(row.DNSNameservers, d)
	}
	for _, r := range p.Routes {
		if _, err := netip.ParsePrefix(r.Destination); err != nil {
			return invalidInput("'%s' is not a valid CIDR.", r.Destination)
		}
		if hop, err := netip.ParseAddr(r.NextHop); err != nil || hop != gateway {
			return invalidInput("host route to %s: nexthop '%s' has to be the gateway of the subnet.", r.Destination, r.NextHop)
		}
		row.HostRoutes = append(row.HostRoutes, r)
	}
	return nil
}
