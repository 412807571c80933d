package hardening

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
)

// firewallFile is the packet filter of the host itself. The one of guests is
// the node agent's, in the bridge family.
const firewallFile = "/etc/nftables.conf"

func firewall() Control {
	files := always(func(t *Target) []File {
		return []File{
			{Path: firewallFile, Text: firewallRules(&t.Node), Mode: 0o600},
			// Stopping the service must not open the machine, nor throw away
			// the tables of others.
			{Path: "/etc/systemd/system/nftables.service.d/cairn.conf", Text: "[Service]\nExecStop=\n"},
		}
	})
	return Control{
		ID: "firewall", Title: "What a role does not need is dropped: in, through and out",
		Why:    "a service that listens by mistake is not reachable, and one that is broken into does not get far",
		Source: "SECURITY.md N4, N5; CIS 4.1.1, 4.3.4-4.3.10",
		Apply:  render(files),
		Check:  both(rendered(files), checkFirewall),
	}
}

// An opening lets packets in.
type opening struct {
	rule string
	why  string
}

// managementOpenings are for peers on the management network.
func managementOpenings(n *Node) []opening {
	list := []opening{{"tcp dport 22", "the operator"}}
	if !n.Has(Controller) {
		return list
	}
	list = append(list,
		opening{"tcp dport 443", "APIs and dashboard"},
		opening{"tcp dport 8444", "APIs for nodes, mutual TLS"},
		opening{"tcp dport 5671", "broker, mutual TLS"},
		opening{"udp dport 123", "the time"},
		opening{"ip saddr " + controllers(n) + " tcp dport 3306", "database, for controllers only"},
	)
	if n.Deployer {
		list = append(list,
			opening{"udp dport { 67, 69, 4011 }", "DHCP, TFTP, proxy DHCP"},
			opening{"tcp dport { 8080, 8443 }", "boot files and enrolment"},
		)
	}
	return list
}

// controllers is the set of addresses that may open the database.
func controllers(n *Node) string {
	set := []netip.Addr{n.management()}
	if n.Controller.IsValid() && n.Controller != n.management() {
		set = append(set, n.Controller)
	}
	var text []string
	for _, a := range set {
		text = append(text, a.String())
	}
	return "{ " + strings.Join(text, ", ") + " }"
}

// firewallRules is the file for nft. Loading it replaces our own table in one
// transaction and touches no other.
func firewallRules(n *Node) string {
	var b strings.Builder
	line := func(indent int, format string, args ...any) {
		b.WriteString(strings.Repeat("\t", indent))
		fmt.Fprintf(&b, format+"\n", args...)
	}
	line(0, "table inet cairn")
	line(0, "delete table inet cairn")
	line(0, "table inet cairn {")
	line(1, "chain input {")
	line(2, "type filter hook input priority filter; policy drop;")
	line(2, `iif lo accept`)
	line(2, `ip saddr 127.0.0.0/8 drop comment "loopback addresses from the wire"`)
	line(2, `ct state vmap { established : accept, related : accept, invalid : drop }`)
	line(2, `icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } limit rate 50/second accept`)
	line(2, `meta nfproto ipv6 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, packet-too-big } accept`)
	for _, o := range managementOpenings(n) {
		line(2, `iifname %s %s accept comment "%s"`, ManagementNIC, o.rule, o.why)
	}
	if nic := n.bootNIC(); nic != "" {
		line(2, `iifname %s udp dport { 67, 69, 4011 } accept comment "loaders, for firmware without tags"`, nic)
		line(2, `iifname %s tcp dport 8080 accept`, nic)
	}
	if n.hasExternal() {
		if n.Has(Controller) {
			line(2, `iifname %s tcp dport 443 accept comment "APIs and dashboard"`, ExternalNIC)
		}
		if n.External.DHCP {
			line(2, `iifname %s udp sport 67 udp dport 68 accept comment "answers of DHCP"`, ExternalNIC)
		}
	}
	line(2, `limit rate 5/second burst 5 packets log prefix "cairn-drop-in " level info`)
	line(2, `counter`)
	line(1, "}")
	line(1, "chain forward {")
	line(2, "type filter hook forward priority filter; policy drop;")
	line(1, "}")
	line(1, "chain output {")
	line(2, "type filter hook output priority filter; policy drop;")
	line(2, "oif lo accept")
	line(2, "ct state established,related accept")
	line(2, `oifname %s accept comment "peers"`, ManagementNIC)
	if nic := n.bootNIC(); nic != "" {
		line(2, `oifname %s udp sport { 67, 69, 1024-65535 } accept comment "loaders"`, nic)
	}
	if n.hasExternal() {
		line(2, `oifname %s icmp type { echo-request, destination-unreachable } accept`, ExternalNIC)
		line(2, `oifname %s udp dport { 53, 67, 123 } accept comment "names, DHCP, time"`, ExternalNIC)
		line(2, `oifname %s tcp dport 53 accept comment "long answers to names"`, ExternalNIC)
		if n.Has(Controller) {
			line(2, `oifname %s tcp dport { 80, 443 } accept comment "images by URL"`, ExternalNIC)
		}
	}
	line(2, `limit rate 5/second burst 5 packets log prefix "cairn-drop-out " level info`)
	line(2, `counter`)
	line(1, "}")
	line(0, "}")
	return b.String()
}

// checkFirewall asks the kernel whether the chains are there and drop.
func checkFirewall(ctx context.Context, _ *Target) []Finding {
	out, err := run(ctx, "nft", "list", "table", "inet", "cairn")
	if err != nil {
		return []Finding{{Item: "nft table inet cairn", Found: err.Error(), Wanted: "loaded"}}
	}
	var findings []Finding
	for _, hook := range []string{"input", "forward", "output"} {
		f := Finding{Item: "policy of " + hook, Wanted: "drop", Found: "not there"}
		want := "hook " + hook + " priority filter; policy "
		if _, rest, ok := strings.Cut(out, want); ok {
			f.Found, _, _ = strings.Cut(rest, ";")
		}
		f.OK = f.Found == f.Wanted
		findings = append(findings, f)
	}
	return findings
}
