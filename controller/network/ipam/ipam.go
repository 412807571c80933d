// Package ipam is the arithmetic of subnets: default gateways, allocation
// pools and the choice of the next free address. It is pure: what is in use
// is given by the caller, and nothing is kept.
//
// The rules are Neutron's: the gateway is the first address of the range
// unless told otherwise, and the pools are everything else but the network
// and broadcast addresses.
package ipam

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrExhausted says that no address of the pools is free.
var ErrExhausted = errors.New("no address of the allocation pools is free")

// A Range is a run of addresses, both ends included.
type Range struct {
	First netip.Addr `json:"start"`
	Last  netip.Addr `json:"end"`
}

// Contains tells whether the address lies in the range.
func (r Range) Contains(a netip.Addr) bool {
	return r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0
}

func (r Range) String() string { return r.First.String() + "-" + r.Last.String() }

// Usable is the range of addresses that machines of the subnet may have.
// In IPv4 that leaves out the network and the broadcast address, except in
// /31 and /32 (RFC 3021).
func Usable(cidr netip.Prefix) Range {
	first, last := cidr.Masked().Addr(), lastOf(cidr)
	if cidr.Addr().Is4() && cidr.Bits() < 31 {
		return Range{first.Next(), last.Prev()}
	}
	if cidr.Addr().Is6() && cidr.Bits() < 127 {
		return Range{first.Next(), last} // ::0 is the routers' anycast address
	}
	return Range{first, last}
}

// DefaultGateway is the first usable address of the range.
func DefaultGateway(cidr netip.Prefix) netip.Addr { return Usable(cidr).First }

// DefaultPools is everything usable but the gateway, which may be the zero
// Addr for a subnet without one.
func DefaultPools(cidr netip.Prefix, gateway netip.Addr) []Range {
	all := Usable(cidr)
	if !gateway.IsValid() || !all.Contains(gateway) {
		return []Range{all}
	}
	var pools []Range
	if gateway != all.First {
		pools = append(pools, Range{all.First, gateway.Prev()})
	}
	if gateway != all.Last {
		pools = append(pools, Range{gateway.Next(), all.Last})
	}
	return pools
}

// CheckPools tells why pools do not fit a subnet: turned around, outside of
// the range, overlapping one another, or holding the gateway.
func CheckPools(cidr netip.Prefix, gateway netip.Addr, pools []Range) error {
	all := Usable(cidr)
	for i, p := range pools {
		switch {
		case !p.First.IsValid() || !p.Last.IsValid() || p.Last.Less(p.First):
			return fmt.Errorf("allocation pool %s: the end is before the start", p)
		case !all.Contains(p.First) || !all.Contains(p.Last):
			return fmt.Errorf("allocation pool %s: not within %s, allowed: %s", p, cidr, all)
		case gateway.IsValid() && p.Contains(gateway):
			return fmt.Errorf("allocation pool %s: holds the gateway %s", p, gateway)
		}
		for _, q := range pools[:i] {
			if p.Contains(q.First) || q.Contains(p.First) {
				return fmt.Errorf("allocation pools %s and %s overlap", q, p)
			}
		}
	}
	return nil
}

// Next is the lowest address of the pools that is not in use.
// It returns [ErrExhausted] when there is none.
func Next(pools []Range, used map[netip.Addr]bool) (netip.Addr, error) {
	for _, p := range pools {
		for a := p.First; a.IsValid() && p.Contains(a); a = a.Next() {
			if !used[a] {
				return a, nil
			}
		}
	}
	return netip.Addr{}, ErrExhausted
}

// lastOf is the highest address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
