package plan

import (
	"fmt"
	"net/netip"
	"strings"
)

func (c *checker) management(m *Management) {
	c.hostAddress("management.controller", m.Controller, "management.network", m.Network)
	c.addressRange("management", m.RangeFrom, m.RangeTo, m.Network)
	if within(m.Controller, m.RangeFrom, m.RangeTo) {
		c.fault("management.controller", m.Controller,
			fmt.Sprintf("an address outside the range %s to %s, which is given to other machines", m.RangeFrom, m.RangeTo))
	}
	for i := range m.Relayed {
		at, l := fmt.Sprintf("management.relayed[%d]", i), &m.Relayed[i]
		c.hostAddress(at+".router", l.Router, at+".network", l.Network)
		c.addressRange(at, l.RangeFrom, l.RangeTo, l.Network)
		if within(l.Router, l.RangeFrom, l.RangeTo) {
			c.fault(at+".router", l.Router,
				fmt.Sprintf("an address outside the range %s to %s, which is given to machines", l.RangeFrom, l.RangeTo))
		}
	}
}

func within(a, from, to netip.Addr) bool { return !a.Less(from) && !to.Less(a) }

func (c *checker) addressRange(at string, from, to netip.Addr, network netip.Prefix) {
	c.hostAddress(at+".range_from", from, at+".network", network)
	c.hostAddress(at+".range_to", to, at+".network", network)
	if c.sound(at+".range_from", at+".range_to") && to.Less(from) {
		c.fault(at+".range_to", to, "an address not below "+at+".range_from "+from.String())
	}
}

func (c *checker) hostAddress(field string, a netip.Addr, of string, network netip.Prefix) {
	if !isHost(a, network) {
		c.fault(field, a, "a host address inside "+of+" "+network.String())
	}
}

// isHost tells whether an address is one of a network's hosts.
func isHost(a netip.Addr, network netip.Prefix) bool {
	return network.Contains(a) && a != network.Masked().Addr() && a != broadcast(network)
}

// broadcast is the last address of an IPv4 network.
func broadcast(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

func (c *checker) external(r *Rack) {
	e := r.External
	if e.NIC == "" {
		if e.DHCP || e.Address.IsValid() {
			c.fault("external.nic", "", "the MAC address of the NIC that the external address belongs to")
		}
		return
	}
	if strings.EqualFold(e.NIC, r.Management.NIC) {
		c.fault("external.nic", e.NIC, "another NIC than management.nic")
	}
	switch {
	case e.DHCP == e.Address.IsValid():
		c.fault("external.address", orNone(validText(e.Address)), "an address with its prefix length, or external.dhcp: true, not both")
	case e.DHCP && e.Gateway.IsValid():
		c.fault("external.gateway", e.Gateway, "nothing where external.dhcp is true")
	case e.Address.Addr().Is4In6():
		c.fault("external.address", e.Address, "an IPv4 address in its own form, like "+unmapped(e.Address).String())
	case e.Gateway.Is4In6():
		c.fault("external.gateway", e.Gateway, "an IPv4 address in its own form, like "+e.Gateway.Unmap().String())
	case e.Address.IsValid() && e.Address.Addr().Is4() && e.Address.Bits() < 31 && !isHost(e.Address.Addr(), e.Address.Masked()):
		c.fault("external.address", e.Address, "the address of a host, not that of its network "+e.Address.Masked().String())
	case e.Gateway.IsValid() && !e.Address.Masked().Contains(e.Gateway):
		c.fault("external.gateway", e.Gateway, "an address inside the network of external.address "+e.Address.String())
	}
}

func validText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

// unmapped is an IPv4-mapped IPv6 network in IPv4 terms.
func unmapped(p netip.Prefix) netip.Prefix {
	if !p.Addr().Is4In6() {
		return p
	}
	return netip.PrefixFrom(p.Addr().Unmap(), max(0, p.Bits()-96))
}
