package network

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
)

// Static uses the ip= word of the kernel line, in the kernel's own form
// (Documentation/admin-guide/nfs/nfsroot.rst):
// address::gateway:netmask:name:device:none:dns. The device may be empty, and
// then nic, a MAC or the name of an interface, says which it is.
func Static(word, nic string) (Lease, error) {
	l, err := parseStatic(word)
	if err != nil {
		return Lease{}, err
	}
	if l.Interface != "" {
		nic = l.Interface
	}
	link, err := find(nic)
	if err != nil {
		return Lease{}, fmt.Errorf("ip=%s: %w", word, err)
	}
	l.Interface = link.Attrs().Name
	if err := netlink.LinkSetUp(link); err != nil {
		return Lease{}, fmt.Errorf("network link %s up: %w", l.Interface, err)
	}
	return l, l.apply(link)
}

func parseStatic(word string) (Lease, error) {
	f := strings.Split(word, ":")
	for len(f) < 9 {
		f = append(f, "")
	}
	var l Lease
	addr, err := netip.ParseAddr(f[0])
	if err != nil || !addr.Is4() {
		return l, fmt.Errorf("ip=%s: the address is %q; allowed: an IPv4 address", word, f[0])
	}
	mask := net.ParseIP(f[3]).To4()
	ones, bits := net.IPMask(mask).Size()
	if bits != 32 {
		return l, fmt.Errorf("ip=%s: the netmask is %q; allowed: one like 255.255.255.0", word, f[3])
	}
	l.Address, l.Interface = netip.PrefixFrom(addr, ones), f[5]
	if f[2] != "" {
		if l.Gateway, err = netip.ParseAddr(f[2]); err != nil {
			return l, fmt.Errorf("ip=%s: the gateway is %q; allowed: an IPv4 address", word, f[2])
		}
	}
	for _, d := range f[7:9] {
		if d != "" {
			l.DNS = append(l.DNS, d)
		}
	}
	return l, nil
}
