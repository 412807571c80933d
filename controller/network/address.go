package network

import (
	"context"
	"errors"
	"net/netip"

	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/controller/network/ipam"
)

// A FixedIP is one address of a port. In a request either field may be empty:
// any address of the subnet, or the subnet that holds the address.
type FixedIP struct {
	SubnetID  string `json:"subnet_id,omitempty"`
	IPAddress string `json:"ip_address,omitempty"`
}

// allocate chooses the addresses of a new port and writes them down. The row
// of the network must be locked: two ports may not choose at the same time.
// wanted nil means one address of the first subnet, if there is a subnet.
func (s *Service) allocate(ctx context.Context, q store.Querier, networkID, portID string, wanted []FixedIP) ([]FixedIP, error) {
	subnets, err := s.subnetsOf(ctx, q, networkID)
	if err != nil {
		return nil, err
	}
	if wanted == nil {
		if wanted, err = anyAddress(ctx, q, networkID, subnets); err != nil {
			return nil, err
		}
	}
	out := []FixedIP{}
	for i, w := range wanted {
		got, err := choose(ctx, q, networkID, subnets, w)
		if err != nil {
			return nil, err
		}
		if _, err := q.ExecContext(ctx, "INSERT INTO allocations (subnet_id, address, port_id, position) VALUES (?, ?, ?, ?)",
			got.SubnetID, got.IPAddress, portID, i); err != nil {
			return nil, err
		}
		out = append(out, got)
	}
	return out, nil
}

// anyAddress asks for one address of the first subnet that has one left.
func anyAddress(ctx context.Context, q store.Querier, networkID string, subnets []Subnet) ([]FixedIP, error) {
	for _, s := range subnets {
		used, err := usedIn(ctx, q, s.ID)
		if err != nil {
			return nil, err
		}
		if _, err := ipam.Next(s.AllocationPools, used); err == nil {
			return []FixedIP{{SubnetID: s.ID}}, nil
		}
	}
	if len(subnets) > 0 {
		return nil, noMoreAddresses(networkID)
	}
	return nil, nil
}

// choose settles one wanted address.
func choose(ctx context.Context, q store.Querier, networkID string, subnets []Subnet, w FixedIP) (FixedIP, error) {
	var addr netip.Addr
	if w.IPAddress != "" {
		a, err := netip.ParseAddr(w.IPAddress)
		if err != nil {
			return FixedIP{}, invalidInput("'%s' is not a valid IP address.", w.IPAddress)
		}
		addr = a
	}
	s, err := subnetFor(networkID, subnets, w.SubnetID, addr)
	if err != nil {
		return FixedIP{}, err
	}
	used, err := usedIn(ctx, q, s.ID)
	if err != nil {
		return FixedIP{}, err
	}
	if !addr.IsValid() {
		if addr, err = ipam.Next(s.AllocationPools, used); errors.Is(err, ipam.ErrExhausted) {
			return FixedIP{}, noMoreAddresses(networkID)
		}
	}
	if used[addr] {
		return FixedIP{}, addressInUseOnSubnet(addr.String(), s.ID)
	}
	return FixedIP{SubnetID: s.ID, IPAddress: addr.String()}, nil
}

// subnetFor finds the subnet of a wanted address among those of the network.
func subnetFor(networkID string, subnets []Subnet, id string, addr netip.Addr) (Subnet, error) {
	for _, s := range subnets {
		if id != "" && s.ID != id {
			continue
		}
		if !addr.IsValid() || ipam.Usable(s.prefix()).Contains(addr) {
			return s, nil
		}
		if id != "" {
			return Subnet{}, badRequest("InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", addr)
		}
	}
	if id != "" {
		return Subnet{}, invalidInput("Failed to create port on network %s, because fixed_ips included invalid subnet %s.", networkID, id)
	}
	return Subnet{}, badRequest("InvalidIpForNetwork", "IP address %s is not a valid IP for any of the subnets on the specified network.", addr)
}

// usedIn is every address of a subnet that some port has.
func usedIn(ctx context.Context, q store.Querier, subnetID string) (map[netip.Addr]bool, error) {
	texts, err := collect(ctx, q, column, "SELECT address FROM allocations WHERE subnet_id = ?", subnetID)
	if err != nil {
		return nil, err
	}
	used := make(map[netip.Addr]bool, len(texts))
	for _, t := range texts {
		if a, err := netip.ParseAddr(t); err == nil {
			used[a] = true
		}
	}
	return used, nil
}
