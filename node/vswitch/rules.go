package vswitch

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/node/spec"
)

// tableName is the table that holds our rules and nothing else.
const tableName = "cairn"

// A Ruleset is what rules are made of.
type Ruleset struct {
	Trunk string // name of the tenant NIC; empty: none
	// Shared tells that the trunk is not a port itself: each VLAN has a device
	// on it that is (see [trunkDevice]).
	Shared bool
	Ports  []spec.Port
	// Isolated are the ids of ports that nothing may pass.
	Isolated map[string]bool
	// Stateless leaves connection tracking out, for kernels that cannot do it
	// on bridges: replies then have to be allowed by rules of their own.
	Stateless bool
}

// Rules returns the text that puts a ruleset in force in one transaction,
// whatever was there before.
func Rules(r Ruleset) string {
	ports := slices.Clone(r.Ports)
	slices.SortFunc(ports, func(a, b spec.Port) int { return strings.Compare(a.ID, b.ID) })
	var w writer
	w.line(0, "table bridge %s", tableName) // so that there is one to delete
	w.line(0, "delete table bridge %s", tableName)
	w.line(0, "table bridge %s {", tableName)
	if !r.Stateless {
		w.zones(r, ports)
	}
	w.arriving(r.uplink(), ports)
	w.crossing(r.uplink(), ports)
	w.leaving()
	for _, p := range ports {
		if r.Isolated[p.ID] || !p.AdminUp {
			w.isolated(p)
			continue
		}
		w.fromGuest(p)
		w.egress(p, r.Stateless)
		w.ingress(p, r.Stateless)
	}
	w.line(0, "}")
	return w.String()
}

// uplink is what rules name the way out of this host by; empty: there is none.
func (r *Ruleset) uplink() string {
	if r.Trunk != "" && r.Shared {
		return trunkPrefix + "*"
	}
	return r.Trunk
}

// A writer builds the text.
type writer struct{ strings.Builder }

func (w *writer) line(depth int, format string, args ...any) {
	w.WriteString(strings.Repeat("\t", depth))
	fmt.Fprintf(w, format, args...)
	w.WriteByte('\n')
}

// chain writes a chain of rules.
func (w *writer) chain(name string, rules ...string) {
	w.line(1, "chain %s {", name)
	for _, r := range rules {
		w.line(2, "%s", r)
	}
	w.line(1, "}")
}

// chainName is the name of one of a port's chains.
func chainName(kind string, p spec.Port) string { return kind + "_" + p.TapName() }

// dispatch maps each port's device to one of its chains.
func dispatch(field, kind string, ports []spec.Port) []string {
	if len(ports) == 0 {
		return nil
	}
	var pairs []string
	for _, p := range ports {
		pairs = append(pairs, fmt.Sprintf("%q : jump %s", p.TapName(), chainName(kind, p)))
	}
	return []string{field + " vmap { " + strings.Join(pairs, ", ") + " }"}
}

// zones tracks the connections of each VLAN apart from those of others, which
// may have the same addresses.
func (w *writer) zones(r Ruleset, ports []spec.Port) {
	rules := []string{"type filter hook prerouting priority -300; policy accept;"}
	var vlans []int
	for _, p := range ports {
		rules = append(rules, fmt.Sprintf("iifname %q ct zone set %d", p.TapName(), p.VLAN))
		vlans = append(vlans, p.VLAN)
	}
	slices.Sort(vlans)
	for _, v := range slices.Compact(vlans) {
		rules = append(rules, fmt.Sprintf("iifname %q ct zone set %d", serviceDevice(v), v))
		switch {
		case r.Trunk == "":
		case r.Shared:
			rules = append(rules, fmt.Sprintf("iifname %q ct zone set %d", trunkDevice(v), v))
		default:
			rules = append(rules, fmt.Sprintf("iifname %q vlan id %d ct zone set %d", r.Trunk, v, v))
		}
	}
	w.chain("zones", rules...)
}

// arriving checks what comes in before the bridge has seen it.
func (w *writer) arriving(trunk string, ports []spec.Port) {
	rules := []string{"type filter hook prerouting priority -150; policy accept;"}
	if trunk != "" {
		rules = append(rules,
			fmt.Sprintf("iifname %q ether saddr & %s == %s drop comment \"services of other hosts\"", trunk, serviceMask, servicePrefix),
			fmt.Sprintf("iifname %q ether daddr & %s == %s drop", trunk, serviceMask, servicePrefix),
			fmt.Sprintf("iifname %q meta protocol %#x drop", trunk, probeType))
	}
	rules = append(rules, dispatch("iifname", "from", ports)...)
	// A NIC of a guest that has no port here, not yet or no more.
	rules = append(rules, unknown("iifname", ports)...)
	w.chain("arriving", rules...)
}

// unknown drops what concerns guests' devices that have no port.
func unknown(field string, ports []spec.Port) []string {
	if len(ports) == 0 {
		return []string{field + ` "tap*" drop`}
	}
	var names []string
	for _, p := range ports {
		names = append(names, fmt.Sprintf("%q", p.TapName()))
	}
	return []string{field + ` "tap*" ` + field + " != { " + strings.Join(names, ", ") + " } drop"}
}

// crossing checks what the bridge passes from one port to another.
func (w *writer) crossing(trunk string, ports []spec.Port) {
	rules := []string{"type filter hook forward priority 0; policy accept;"}
	if trunk != "" {
		rules = append(rules,
			fmt.Sprintf("oifname %q ether saddr & %s == %s drop comment \"services answer on this host only\"", trunk, serviceMask, servicePrefix),
			fmt.Sprintf("oifname %q ether daddr & %s == %s drop", trunk, serviceMask, servicePrefix))
	}
	rules = append(rules, dispatch("iifname", "egress", ports)...)
	rules = append(rules, dispatch("oifname", "ingress", ports)...)
	rules = append(rules, unknown("oifname", ports)...)
	w.chain("crossing", rules...)
}

// leaving keeps guests from the host itself: it has no address there and
// nothing to say.
func (w *writer) leaving() {
	w.chain("host_in", "type filter hook input priority 0; policy accept;",
		`iifname "tap*" drop`)
}

func (w *writer) isolated(p spec.Port) {
	for _, kind := range []string{"from", "egress", "ingress"} {
		w.chain(chainName(kind, p), "drop")
	}
}

// Values of frames.
const (
	// probeType is that of the fabric check's probes (IEEE 802, local
	// experimental 1): the host sends and hears them on the trunk itself, and
	// guests have no part in them.
	probeType       = 0x88b5
	linkLocalGroups = "01:80:c2:00:00:00" // STP, LACP, LLDP and their like
	linkLocalMask   = "ff:ff:ff:ff:ff:f0"
)

// fromGuest is the port's anti-spoofing: a guest sends as itself or not at
// all. Tagged frames are never a guest's business.
func (w *writer) fromGuest(p spec.Port) {
	rules := []string{
		"ether type { 8021q, 8021ad } drop",
		fmt.Sprintf("ether type %#x drop", probeType),
		fmt.Sprintf("ether saddr & %s == %s drop", serviceMask, servicePrefix),
		fmt.Sprintf("ether daddr & %s == %s drop", linkLocalMask, linkLocalGroups),
	}
	if !p.Security {
		w.chain(chainName("from", p), append(rules, "accept")...)
		return
	}
	v4, v6 := addresses(p)
	rules = append(rules,
		fmt.Sprintf("ether saddr != %s drop", p.MAC),
		fmt.Sprintf("ether type arp arp saddr ether != %s drop", p.MAC))
	for _, a := range v4 {
		rules = append(rules, fmt.Sprintf("ether type arp arp saddr ip %s accept", a))
	}
	rules = append(rules,
		"ether type arp arp operation request arp saddr ip 0.0.0.0 accept", // RFC 5227: is the address free?
		fmt.Sprintf("ether type ip udp sport 68 udp dport 67 @th,288,48 != %#x drop", macNumber(p.MAC)),
		"ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept",
		"ether type ip udp sport 67 drop")
	for _, a := range v4 {
		rules = append(rules, fmt.Sprintf("ether type ip ip saddr %s accept", a))
	}
	rules = append(rules, ip6From(v6)...)
	w.chain(chainName("from", p), append(rules, "drop")...)
}

// ip6From is the part of anti-spoofing for IPv6, neighbour discovery included.
func ip6From(own []netip.Addr) []string {
	rules := []string{
		"ether type ip6 icmpv6 type { nd-router-advert, nd-redirect } drop",
		"ether type ip6 udp sport 547 drop",
		"ether type ip6 ip6 saddr :: icmpv6 type { nd-neighbor-solicit, mld2-listener-report } accept",
	}
	for _, a := range own {
		for _, target := range own {
			b := target.As16()
			rules = append(rules, fmt.Sprintf("ether type ip6 ip6 saddr %s icmpv6 type nd-neighbor-advert @th,64,128 0x%x accept", a, b[:]))
		}
	}
	rules = append(rules, "ether type ip6 icmpv6 type nd-neighbor-advert drop")
	for _, a := range own {
		rules = append(rules, fmt.Sprintf("ether type ip6 ip6 saddr %s accept", a))
	}
	return rules
}

// egress is what the port's rules allow the guest to send. A frame on its way
// to the trunk has its tag already, and "ether type" would see that instead of
// what is in it: from here on it is "meta protocol".
func (w *writer) egress(p spec.Port, stateless bool) {
	rules := []string{
		"meta protocol arp return",
		fmt.Sprintf("ether daddr & %s == %s return", serviceMask, servicePrefix),
		"meta protocol ip udp sport 68 udp dport 67 return",
		"meta protocol ip6 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report } return",
	}
	w.filter("egress", p, stateless, rules, false)
}

// ingress is what the port's rules allow to reach the guest.
func (w *writer) ingress(p spec.Port, stateless bool) {
	rules := []string{
		"meta protocol arp return",
		fmt.Sprintf("ether saddr & %s == %s return", serviceMask, servicePrefix),
		"meta protocol ip6 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } return",
	}
	w.filter("ingress", p, stateless, rules, true)
}

func (w *writer) filter(kind string, p spec.Port, stateless bool, rules []string, ingress bool) {
	if !p.Security {
		w.chain(chainName(kind, p), "return")
		return
	}
	if !stateless {
		rules = append(rules, "ct state established,related return", "ct state invalid drop")
	}
	for _, r := range p.Rules {
		if r.Ingress == ingress {
			rules = append(rules, flows(r)...)
		}
	}
	w.chain(chainName(kind, p), append(rules, "drop")...)
}

// flows turns one rule of a security group into rules that return. One that
// makes no sense turns into text that no kernel takes, which isolates the
// port.
func flows(r spec.Rule) []string {
	family, side := "ip", "daddr"
	if r.IPv6 {
		family = "ip6"
	}
	if r.Ingress {
		side = "saddr"
	}
	what := "meta protocol " + family + protocol(r)
	if len(r.Remotes) == 0 {
		return []string{what + " return"}
	}
	var remotes []string
	for _, p := range r.Remotes {
		if p.Addr().Is6() != r.IPv6 {
			return []string{fmt.Sprintf("invalid remote %q", p)}
		}
		remotes = append(remotes, fmt.Sprintf("%s %s %s %s return", what, family, side, p.Masked()))
	}
	return remotes
}

// protocol returns the part of a rule that is about protocol and ports.
func protocol(r spec.Rule) string {
	switch r.Protocol {
	case "":
		return ""
	case "tcp", "udp":
		if r.PortMin == 0 && r.PortMax == 0 {
			return " meta l4proto " + r.Protocol
		}
		return fmt.Sprintf(" %s dport %d-%d", r.Protocol, r.PortMin, r.PortMax)
	case "icmp":
		name := "icmp"
		if r.IPv6 {
			name = "icmpv6"
		}
		if r.PortMin == 0 && r.PortMax == 0 {
			if r.IPv6 {
				return " meta l4proto ipv6-icmp"
			}
			return " meta l4proto icmp"
		}
		return fmt.Sprintf(" %s type %d %s code %d", name, r.PortMin, name, r.PortMax)
	default:
		return fmt.Sprintf(" invalid protocol %q", r.Protocol)
	}
}

// addresses returns what the guest may send as, IPv6's link-local address
// included.
func addresses(p spec.Port) (v4, v6 []netip.Addr) {
	for _, a := range p.Addresses {
		if a.Address.Is4() {
			v4 = append(v4, a.Address)
		} else if a.Address.Is6() {
			v6 = append(v6, a.Address)
		}
	}
	if a, ok := linkLocal(p.MAC); ok {
		v6 = append(v6, a)
	}
	return v4, v6
}

// linkLocal is the address that a MAC makes for itself (RFC 4291, appendix A).
func linkLocal(mac string) (netip.Addr, bool) {
	m, err := net.ParseMAC(mac)
	if err != nil || len(m) != 6 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}), true
}

// macNumber is a MAC as a number, zero when it is none.
func macNumber(mac string) uint64 {
	m, err := net.ParseMAC(mac)
	if err != nil {
		return 0
	}
	var n uint64
	for _, b := range m {
		n = n<<8 | uint64(b)
	}
	return n
}
