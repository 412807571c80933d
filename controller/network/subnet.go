package network

import (
	"context"
	"net/netip"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/controller/network/ipam"
)

// A Subnet is one address range of a network.
type Subnet struct {
	ID              string       `json:"id" db:"id,key" api:"filter,sort"`
	Seq             int64        `json:"-" db:"seq,auto"`
	ProjectID       string       `json:"project_id" db:"project_id" api:"create,setadmin,also=tenant_id,filter,sort"`
	NetworkID       string       `json:"network_id" db:"network_id" api:"create,required,uuid,filter,sort"`
	Name            string       `json:"name" db:"name" api:"create,update,max=255,filter,sort"`
	Description     string       `json:"description" db:"description" api:"create,update,max=255,filter"`
	IPVersion       int          `json:"ip_version" api:"create,required"`
	CIDR            string       `json:"cidr" db:"cidr" api:"create,required,filter,sort"`
	GatewayIP       *string      `json:"gateway_ip" db:"gateway_ip" api:"create,update,filter,sort"`
	EnableDHCP      bool         `json:"enable_dhcp" db:"enable_dhcp" api:"create,update,default=true,filter"`
	DNSNameservers  []string     `json:"dns_nameservers" db:"dns_nameservers,json" api:"create,update"`
	AllocationPools []ipam.Range `json:"allocation_pools" db:"allocation_pools,json" api:"create,update"`
	HostRoutes      []HostRoute  `json:"host_routes" db:"host_routes,json" api:"create,update"`
	IPv6Address     *string      `json:"ipv6_address_mode"`
	IPv6RA          *string      `json:"ipv6_ra_mode"`
	SubnetPool      *string      `json:"subnetpool_id" api:"create"`
	Tags            []string     `json:"tags"`
	Revision        int          `json:"revision_number" db:"revision_number"`
	CreatedAt       time.Time    `json:"created_at" db:"created_at" api:"sort"`
	UpdatedAt       time.Time    `json:"updated_at" db:"updated_at"`
}

// A HostRoute is a route that guests of a subnet are told by DHCP.
type HostRoute struct {
	Destination string `json:"destination" api:"create,update"`
	NextHop     string `json:"nexthop" api:"create,update"`
}

// prefix is the range; rows hold only valid ones.
func (s *Subnet) prefix() netip.Prefix {
	p, _ := netip.ParsePrefix(s.CIDR)
	return p
}

// gateway is the zero Addr for a subnet without one.
func (s *Subnet) gateway() netip.Addr {
	if s.GatewayIP == nil {
		return netip.Addr{}
	}
	a, _ := netip.ParseAddr(*s.GatewayIP)
	return a
}

// subnetsResource describes /subnets.
func (s *Service) subnetsResource() api.Resource[Subnet] {
	return api.Resource[Subnet]{
		Name: "subnet", Path: "/subnets", Rows: s.subnets,
		Filters: []api.Filter{{Name: "ip_version", Cond: always("4")}},
		Fill: func(_ context.Context, _ *api.Call, rows []*Subnet) error {
			for _, r := range rows {
				r.IPVersion, r.Tags = 4, []string{}
			}
			return nil
		},
		Create: s.createSubnet,
		Update: s.updateSubnet,
		Delete: func(ctx context.Context, _ *api.Call, row *Subnet) error {
			return s.db.Transact(ctx, func(tx *store.Tx) error { return s.dropSubnet(ctx, tx, row.ID) })
		},
	}
}

// createSubnet makes a subnet with its DHCP address.
func (s *Service) createSubnet(ctx context.Context, c *api.Call, in *Subnet) (*Subnet, error) {
	if in.SubnetPool != nil {
		return nil, invalidInput("subnetpool_id: subnet pools are not offered.")
	}
	plan := planOf(in)
	plan.HasGate = c.Has("gateway_ip")
	if err := plan.settle(in); err != nil {
		return nil, err
	}
	in.ProjectID = projectOf(c, in.ProjectID)
	err := s.db.Transact(ctx, func(tx *store.Tx) error { return s.makeSubnet(ctx, tx, in) })
	return in, err
}

// updateSubnet changes a subnet. Guests on it are told what DHCP says now.
func (s *Service) updateSubnet(ctx context.Context, c *api.Call, old, changed *Subnet) (*Subnet, error) {
	plan := planOf(changed)
	plan.IPVersion, plan.HasGate = 4, true
	if err := plan.settle(changed); err != nil {
		return nil, err
	}
	changed.Revision, changed.UpdatedAt = old.Revision+1, s.clock()
	return changed, s.db.Transact(ctx, func(tx *store.Tx) error {
		n, err := s.networks.In(tx).Lock(ctx, changed.NetworkID)
		if err != nil {
			return err
		}
		if err := s.subnets.In(tx).Update(ctx, changed); err != nil {
			return err
		}
		if changed.EnableDHCP {
			if err := s.reserveDHCP(ctx, tx, n, changed); err != nil {
				return err
			}
		}
		servers, err := collect(ctx, tx, column, `SELECT DISTINCT p.device_id FROM ports p JOIN allocations a ON a.port_id = p.id
			WHERE a.subnet_id = ? AND p.device_owner = ?`, changed.ID, ownerCompute)
		if err != nil {
			return err
		}
		return s.note(ctx, tx, topicServer, servers...)
	})
}

// planOf is the part of a request that has to fit together.
func planOf(in *Subnet) *subnetPlan {
	return &subnetPlan{
		CIDR: in.CIDR, Gateway: in.GatewayIP, Pools: in.AllocationPools,
		DNS: in.DNSNameservers, Routes: in.HostRoutes, IPVersion: in.IPVersion,
	}
}

// projectOf is whose a new thing is: the caller's project unless an
// administrator named another.
func projectOf(c *api.Call, named string) string {
	if named != "" {
		return named
	}
	return c.Caller.ProjectID
}
