package fabric

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
)

// trunkCard is the device with a MAC that frames of every VLAN pass: a card,
// or the bond that has the MAC of its first member. VLAN devices and bridges
// on top of it have the same.
func trunkCard(mac string) (netlink.Link, error) {
	all, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("network cards: %w", err)
	}
	var card netlink.Link
	for _, l := range all {
		switch {
		case !strings.EqualFold(l.Attrs().HardwareAddr.String(), mac), l.Type() == "vlan", l.Type() == "bridge":
		case l.Type() == "bond":
			return l, nil
		case card == nil:
			card = l
		}
	}
	if card == nil {
		return nil, fmt.Errorf("the fabric check is for card %s, which is not in this machine", mac)
	}
	return card, nil
}

// addressed is the device with a MAC that has the address; where none has it,
// the first one.
func addressed(mac string, who netip.Addr) (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("network cards: %w", err)
	}
	all = slices.DeleteFunc(all, func(c net.Interface) bool { return !strings.EqualFold(c.HardwareAddr.String(), mac) })
	if len(all) == 0 {
		return nil, fmt.Errorf("the address check is for card %s, which is not in this machine", mac)
	}
	for i := range all {
		list, err := all[i].Addrs()
		if err != nil {
			return nil, fmt.Errorf("addresses of %s: %w", all[i].Name, err)
		}
		for _, a := range list {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == who {
				return &all[i], nil
			}
		}
	}
	return &all[0], nil
}
