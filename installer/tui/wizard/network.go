package wizard

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A netFault is what is wrong with a network that was typed, and where.
type netFault struct{ item, text string }

// show puts it beside the input that it is about.
func (f *netFault) show(s *screen) {
	for _, i := range s.stops() {
		if i.id == f.item {
			s.faults = map[string]string{f.item: f.text}
			s.focusOn(i)
			return
		}
	}
	s.say(bad, f.text)
}

// network checks what was typed.
func (n netAnswers) network() (Network, *netFault) {
	out := Network{Cards: n.cards, DHCP: n.dhcp}
	if len(n.cards) == 0 {
		return out, &netFault{"cards", "no card is chosen; allowed: one, or several for a bond"}
	}
	if len(n.cards) > 1 {
		out.Bond = n.bond
	}
	if n.vlan != "" {
		id, err := strconv.Atoi(n.vlan)
		if err != nil || id < 1 || id > 4094 {
			return out, &netFault{"vlan", fmt.Sprintf("the VLAN tag is %q; allowed: 1 to 4094, or nothing for none", n.vlan)}
		}
		out.VLAN = id
	}
	for _, w := range strings.FieldsFunc(n.dns, func(r rune) bool { return r == ' ' || r == ',' }) {
		d, err := netip.ParseAddr(w)
		if err != nil {
			return out, &netFault{"dns", fmt.Sprintf("a name server is %q; allowed: an address like 192.0.2.53", w)}
		}
		out.DNS = append(out.DNS, d)
	}
	if n.dhcp {
		return out, nil
	}
	wrong := n.fixed(&out)
	return out, wrong
}

// fixed reads an address that does not come from DHCP.
func (n netAnswers) fixed(out *Network) *netFault {
	var err error
	if out.Address, err = netip.ParsePrefix(n.address); err != nil || !out.Address.Addr().Is4() {
		return &netFault{"address", fmt.Sprintf("the address is %q; allowed: one with its prefix length, like 192.0.2.10/24", n.address)}
	}
	if n.gateway == "" {
		return nil
	}
	if out.Gateway, err = netip.ParseAddr(n.gateway); err != nil || !out.Address.Masked().Contains(out.Gateway) {
		return &netFault{"gateway", fmt.Sprintf("the gateway is %q; allowed: an address inside %s", n.gateway, out.Address.Masked())}
	}
	return nil
}
