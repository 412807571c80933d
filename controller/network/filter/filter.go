// Package filter turns security groups into what a host can apply: a list of
// allowed flows per port, with the members of remote groups spelled out as
// addresses. It is pure; the network service gives it the rows.
package filter

import (
	"net/netip"
	"slices"

	"github.com/cairn-cloud/cairn/node/spec"
)

// A Rule is one rule of a security group as its API has it.
type Rule struct {
	Direction    string       // ingress or egress
	EtherType    string       // IPv4 or IPv6
	Protocol     string       // as [Protocol] answers; empty: any
	PortMin      int          // 0 with PortMax 0: every port
	PortMax      int          //
	RemotePrefix netip.Prefix // the zero Prefix: anywhere
	RemoteGroup  string       // id of a group; empty: none
}

// Allowed resolves the rules of a port's groups. members gives the addresses
// of a group's ports. A rule whose remote group has no member of its address
// family allows nothing and is left out: in a [spec.Rule] an empty list of
// remotes would mean anywhere.
func Allowed(rules []Rule, members func(group string) []netip.Addr) []spec.Rule {
	var out []spec.Rule
	for _, r := range rules {
		s := spec.Rule{
			Ingress: r.Direction == "ingress", IPv6: r.EtherType == "IPv6",
			Protocol: r.Protocol, PortMin: r.PortMin, PortMax: r.PortMax,
		}
		switch {
		case r.RemoteGroup != "":
			if s.Remotes = hosts(members(r.RemoteGroup), s.IPv6); len(s.Remotes) == 0 {
				continue
			}
		case r.RemotePrefix.IsValid() && r.RemotePrefix.Bits() > 0:
			s.Remotes = []netip.Prefix{r.RemotePrefix.Masked()}
		}
		out = append(out, s)
	}
	return out
}

// hosts is the addresses of one family as sorted single-address prefixes.
func hosts(addrs []netip.Addr, v6 bool) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range addrs {
		if a.Is6() == v6 {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return slices.Compact(out)
}

// Protocol is the one spelling of a protocol given by name or by IANA number,
// and whether it is one that hosts can filter: any (the empty string), tcp,
// udp and icmp.
func Protocol(s string) (string, bool) {
	switch s {
	case "", "any":
		return "", true
	case "tcp", "6":
		return "tcp", true
	case "udp", "17":
		return "udp", true
	case "icmp", "1":
		return "icmp", true
	case "ipv6-icmp", "icmpv6", "58":
		return "icmp", true
	}
	return "", false
}
