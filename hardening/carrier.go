package hardening

import (
	"fmt"
	"net/netip"
	"strings"
)

// A carrier is what leads to one network, from the interface with the address
// down to the cards. Names of what is under the interface:
//
//	card                 mgmt0
//	bond                 mgmt0, of port0, port1, ...
//	VLAN on a card       mgmt0, on port0
//	VLAN on a bond       mgmt0, on bond0, of port0, port1, ...
//
// Under ext0 the names are xport0, ... and xbond0.
type carrier struct {
	Interface
	name string // of the interface with the address
	mark string // before the names of what is under it
	mtu  int    // of what is under it: VLANs on it may need more than the interface
	boot bool   // carries the deployer's untagged side
}

// carrier tells how the network of an interface is reached.
func (n *Node) carrier(name string, i Interface) carrier {
	c := carrier{Interface: i, name: name, mtu: i.MTU}
	if name == ExternalNIC {
		c.mark = "x"
		return c
	}
	c.boot = n.Deployer && i.VLAN != 0
	if n.sharesTrunk() {
		c.mtu = max(c.mtu, n.TenantMTU)
	}
	return c
}

func (c carrier) port(k int) string { return fmt.Sprintf("%sport%d", c.mark, k) }

// base is the card or the bond that frames leave by.
func (c carrier) base() string {
	switch {
	case c.VLAN == 0:
		return c.name
	case c.Bond != nil:
		return c.mark + "bond0"
	}
	return c.port(0)
}

// files are all of the carrier's, the lowest first.
func (c carrier) files(n *Node) []File {
	base := c.base()
	find := match(c.MAC)
	var list []File
	if c.Bond == nil {
		list = append(list, linkFile(base, find, 0))
	} else {
		list, find = c.bond(base), matchName(base)
	}
	if c.VLAN == 0 {
		return append(list, networkFile(c.name, head(find, c.mtu), c.Interface, n))
	}
	below := Interface{}
	if c.boot {
		below.Address = netip.MustParsePrefix(BootAddress)
	}
	return append(list,
		networkFile(base, head(find, c.mtu)+"VLAN="+c.name+"\n", below, &Node{}),
		File{Path: networkDir + "10-" + c.name + ".netdev", Text: fmt.Sprintf(
			"[NetDev]\nName=%s\nKind=vlan\n%s\n[VLAN]\nId=%d\n", c.name, mtuLine(c.MTU), c.VLAN)},
		networkFile(c.name, head(matchName(c.name), c.MTU), c.Interface, n))
}

func mtuLine(mtu int) string {
	if mtu == 0 {
		return ""
	}
	return fmt.Sprintf("MTUBytes=%d\n", mtu)
}

// bond makes the bond and puts its members into it. Members are watched
// (miimon): a bond that does not look at them never fails over.
func (c carrier) bond(name string) []File {
	var b strings.Builder
	fmt.Fprintf(&b, "[NetDev]\nName=%s\nKind=bond\nMACAddress=%s\n%s\n", name, c.MAC, mtuLine(c.mtu))
	fmt.Fprintf(&b, "[Bond]\nMode=%s\nMIIMonitorSec=100ms\n", c.Bond.Mode)
	if c.Bond.Mode == "802.3ad" {
		b.WriteString("LACPTransmitRate=fast\nTransmitHashPolicy=layer3+4\n")
	}
	list := []File{{Path: networkDir + "10-" + name + ".netdev", Text: b.String()}}
	for k, mac := range c.Bond.Members {
		list = append(list, linkFile(c.port(k), matchMember(mac), 0), File{
			Path: networkDir + "10-" + c.port(k) + ".network",
			Text: head(matchMember(mac), c.mtu) + "LinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=yes\nEmitLLDP=no\nBond=" + name + "\n",
		})
	}
	return list
}
