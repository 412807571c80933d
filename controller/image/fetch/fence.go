package fetch

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// never are addresses that no configuration opens: this machine, its links,
// groups, nothing at all, and where clouds answer questions about a machine
// (RFC 6890 and the IANA special-purpose registries; the last two are Amazon's
// and Alibaba's metadata services).
var never = prefixes(
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "fe80::/10", "fec0::/10", "ff00::/8",
	"fd00:ec2::254/128", "100.100.100.200/32",
)

// special are addresses that are nobody's in public: private networks, shared
// address space, documentation, benchmarks, and ways of writing an IPv4
// address as an IPv6 one. Options.Networks may open parts of them.
var special = prefixes(
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
	"192.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "192.88.99.0/24",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

// public6 is the part of IPv6 that is given to anybody.
var public6 = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// errFenced is why a connection was not made. It does not say to whom: what an
// internal name resolves to is nothing for a client.
var errFenced = errors.New("the address is not one that the cloud downloads from")

// permits tells whether a connection to an address may be made. own are the
// networks of this machine.
func (o *Options) permits(to netip.AddrPort, own []netip.Prefix) bool {
	a := to.Addr().Unmap()
	switch {
	case !a.IsValid() || a.Zone() != "" || !slices.Contains(o.Ports, int(to.Port())):
		return false
	case within(never, a):
		return false
	case within(o.Networks, a):
		return true
	default:
		return (a.Is4() || public6.Contains(a)) && !within(special, a) && !within(o.Refused, a) && !within(own, a)
	}
}

// control looks at the address of a connection that is about to be made.
func (o *Options) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return errors.Join(errFenced, err)
	}
	own, err := ownNetworks()
	if err != nil {
		return errors.Join(errFenced, err)
	}
	if !o.permits(to, own) {
		return errFenced
	}
	return nil
}

// ownNetworks are the networks that this machine has an address in: they are
// asked for each time, since addresses come and go.
func ownNetworks() ([]netip.Prefix, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var own []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Masked())
		}
	}
	return own, nil
}
