package hardening

import (
	"fmt"
	"strings"
)

func network() Control {
	files := always(networkFiles)
	return Control{
		ID: "network", Title: "NICs are told apart by MAC; the host has no address on the tenant trunk",
		Why:    "kernel names change with slots and kernels; a host that listens on the trunk can be reached by guests",
		Source: "SECURITY.md N1, N2; OSSN-0018, OSSN-0069",
		Apply:  render(files),
		Check:  both(rendered(files), checkAddresses),
	}
}

// BootAddress is what a deployer has on the untagged side of a tagged
// management network, for machines whose firmware knows no tags: it hands them
// a loader there, and the tag. Link-local: nothing ever routes it, so it meets
// no network of the site.
const BootAddress = "169.254.67.1/24"

// networkFiles are systemd's .link files, which name the NICs, .netdev files,
// which make bonds and VLANs, and .network files, which join them and give
// addresses.
func networkFiles(t *Target) []File {
	n := &t.Node
	list := n.carrier(ManagementNIC, n.Management).files(n)
	list = append(list,
		File{Path: "/etc/systemd/networkd.conf.d/cairn.conf", Text: "[Network]\n" +
			"# Routes and rules of others, the node agent's among them, stay.\n" +
			"ManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\nManageForeignNextHops=no\n"},
		File{Path: networkDir + "50-guests.network", Text: "[Match]\nName=br-* tap* vnet* veth* lxc* svc* trunk*\n\n" +
			"[Link]\nUnmanaged=yes\n"},
		// systemd's own default gives a new device an address of its own, a
		// moment later: a container's card would lose that of its port, and
		// everything it sends would be dropped as forged.
		File{Path: networkDir + "50-guests.link", Text: "[Match]\nKind=veth tun\n\n" +
			"[Link]\nNamePolicy=keep kernel\nMACAddressPolicy=none\n"},
		File{Path: "/etc/systemd/resolved.conf.d/cairn.conf", Text: "[Resolve]\nLLMNR=no\nMulticastDNS=no\n"},
	)
	if n.hasExternal() {
		list = append(list, n.carrier(ExternalNIC, n.External).files(n)...)
	}
	if n.TenantMAC != "" && !n.sharesTrunk() {
		list = append(list, linkFile(TenantNIC, match(n.TenantMAC), n.TenantMTU), File{
			Path: networkDir + "10-" + TenantNIC + ".network",
			Text: match(n.TenantMAC) + "\n[Link]\nUnmanaged=yes\n",
		})
	}
	return list
}

// networkDir is where systemd-networkd reads from.
const networkDir = "/etc/systemd/network/"

// match finds a card. A bridge inherits the MAC of a NIC in it, and a VLAN
// that of the card under it, so only physical devices are meant.
func match(mac string) string {
	return "[Match]\nMACAddress=" + mac + "\nType=ether\n"
}

// matchMember finds a card that may be in a bond and then shows the bond's
// MAC.
func matchMember(mac string) string {
	return "[Match]\nPermanentMACAddress=" + mac + "\nType=ether\n"
}

func matchName(name string) string { return "[Match]\nName=" + name + "\n" }

func linkFile(name, match string, mtu int) File {
	text := match + "\n[Link]\nName=" + name + "\nMACAddressPolicy=none\n"
	if mtu != 0 {
		text += fmt.Sprintf("MTUBytes=%d\n", mtu)
	}
	return File{Path: networkDir + "10-" + name + ".link", Text: text}
}

// networkFile gives an interface its address. head says which it is and what
// joins it to others.
func networkFile(name, head string, i Interface, n *Node) File {
	var b strings.Builder
	b.WriteString(head)
	b.WriteString("LinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=yes\nEmitLLDP=no\n")
	for _, dns := range n.DNS {
		fmt.Fprintf(&b, "DNS=%s\n", dns)
	}
	switch {
	case i.DHCP:
		b.WriteString("DHCP=ipv4\n\n[DHCPv4]\nUseHostname=no\nUseNTP=no\nUseMTU=no\nSendHostname=no\n")
	case i.Address.IsValid():
		// The address is there before the cable is: servers bind to it early.
		b.WriteString("ConfigureWithoutCarrier=yes\n")
		fmt.Fprintf(&b, "Address=%s\n", i.Address)
		if i.Gateway.IsValid() {
			fmt.Fprintf(&b, "Gateway=%s\n", i.Gateway)
		}
	}
	return File{Path: networkDir + "10-" + name + ".network", Text: b.String()}
}

// head is the start of a .network file, up to its [Network] section.
func head(match string, mtu int) string {
	text := match + "\n[Link]\nRequiredForOnline=no\n"
	if mtu != 0 {
		text += fmt.Sprintf("MTUBytes=%d\n", mtu)
	}
	return text + "\n[Network]\n"
}
