package plan

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// A namedNetwork is a network that a field of rack.yaml names.
type namedNetwork struct {
	field  string
	said   netip.Prefix // as rack.yaml has it
	prefix netip.Prefix // what it covers, IPv4-mapped ones in IPv4 terms
}

// networks are the networks that rack.yaml names.
func (r *Rack) networks() []namedNetwork {
	m, e := &r.Management, r.External.Address
	list := []namedNetwork{{"management.network", m.Network, m.Network}}
	for i, l := range m.Relayed {
		list = append(list, namedNetwork{fmt.Sprintf("management.relayed[%d].network", i), l.Network, l.Network})
	}
	if e.IsValid() {
		list = append(list, namedNetwork{"external.address", e, unmapped(e).Masked()})
	}
	return list
}

// special are the networks that no rack can have (RFC 6890), and what they
// are for.
func special() map[string]string {
	return map[string]string{
		"0.0.0.0/8":      "this network",
		"127.0.0.0/8":    "a machine itself",
		"169.254.0.0/16": "link-local addresses and the metadata of servers",
		"224.0.0.0/4":    "multicast",
		"240.0.0.0/4":    "nobody yet",
		"::1/128":        "a machine itself",
		"fe80::/10":      "link-local addresses",
		"ff00::/8":       "multicast",
	}
}

// overlaps refuses networks that have addresses in common: a packet for one
// would leave by the other, and rules that tell them apart would not.
func (c *checker) overlaps(r *Rack) {
	list := r.networks()
	for i, n := range list {
		for _, s := range slices.Sorted(maps.Keys(special())) {
			if n.prefix.Overlaps(netip.MustParsePrefix(s)) {
				c.fault(n.field, n.said, fmt.Sprintf("a network that does not overlap %s, which is for %s", s, special()[s]))
				break
			}
		}
		for _, o := range list[:i] {
			if n.prefix.Overlaps(o.prefix) {
				c.fault(n.field, n.said, fmt.Sprintf("a network that does not overlap %s %s", o.field, o.said))
			}
		}
	}
}
