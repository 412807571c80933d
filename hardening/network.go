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

// networkFiles are systemd's .link files, which name the NICs, and .network
// files, which give them addresses. A bridge inherits the MAC of a NIC in it,
// so each matches physical devices alone.
func networkFiles(t *Target) []File {
	n := &t.Node
	list := []File{
		linkFile(ManagementNIC, n.Management.MAC),
		networkFile(ManagementNIC, n.Management, n),
		{Path: "/etc/systemd/networkd.conf.d/cairn.conf", Text: "[Network]\n" +
			"# Routes and rules of others, the node agent's among them, stay.\n" +
			"ManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\nManageForeignNextHops=no\n"},
		{Path: "/etc/systemd/network/50-guests.network", Text: "[Match]\nName=br-* tap* vnet* veth* lxc*\n\n" +
			"[Link]\nUnmanaged=yes\n"},
		{Path: "/etc/systemd/resolved.conf.d/cairn.conf", Text: "[Resolve]\nLLMNR=no\nMulticastDNS=no\n"},
	}
	if n.hasExternal() {
		list = append(list, linkFile(ExternalNIC, n.External.MAC), networkFile(ExternalNIC, n.External, n))
	}
	if n.TenantMAC != "" {
		list = append(list, linkFile(TenantNIC, n.TenantMAC), File{
			Path: "/etc/systemd/network/10-" + TenantNIC + ".network",
			Text: match(n.TenantMAC) + "\n[Link]\nUnmanaged=yes\n",
		})
	}
	return list
}

func match(mac string) string {
	return "[Match]\nMACAddress=" + mac + "\nType=ether\n"
}

func linkFile(name, mac string) File {
	return File{
		Path: "/etc/systemd/network/10-" + name + ".link",
		Text: match(mac) + "\n[Link]\nName=" + name + "\nMACAddressPolicy=none\n",
	}
}

func networkFile(name string, i Interface, n *Node) File {
	var b strings.Builder
	b.WriteString(match(i.MAC) + "\n[Link]\nRequiredForOnline=no\n\n[Network]\n")
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
	return File{Path: "/etc/systemd/network/10-" + name + ".network", Text: b.String()}
}
