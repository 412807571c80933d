package plan

import (
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/node/spec"
)

// cards tells which card serves which network. Without a bond management is
// the card that the machine booted from, or the one that rack.yaml names for
// the first controller, or the first with link; tenant is the next one, or the
// same where there is no other or the rule says one_trunk.
func (m *maker) cards() error {
	if len(m.inv.NICs) == 0 {
		return refuse("Check that it has one, and that the image has its driver and firmware",
			"the machine has no network card")
	}
	p := &m.plan
	if m.o.Local && m.rack.External.NIC != "" {
		mac, err := m.haveCard("external.nic", m.rack.External.NIC)
		if err != nil {
			return err
		}
		p.External = mac
	}
	join := m.bond
	if m.rule.NICs.Bond == BondNone || m.rule.NICs.Bond == "" {
		join = m.single
	}
	if err := join(); err != nil {
		return err
	}
	p.VLAN = m.rack.Management.VLAN
	if mtu := m.rack.Management.MTU; mtu != 1500 {
		p.MTU = mtu
	}
	return m.packetSizes()
}

// single gives each network a card of its own, or both the same.
func (m *maker) single() error {
	p := &m.plan
	mac, err := m.managementCard()
	if err != nil {
		return err
	}
	p.Management = mac
	if m.rule.NICs.OneTrunk {
		p.Tenant = p.Management
		return nil
	}
	p.Tenant = m.nextCard()
	if p.Tenant == "" && slices.Contains(m.rule.Roles, spec.RoleCompute) {
		p.Tenant = p.Management
		m.warn("the machine has no card for the project networks alone: they share %s with management, so its switch port has to carry VLANs %s too",
			nicList(m.cardsOf(p.Management)), span(m.rack.Tenant.VLANFrom, m.rack.Tenant.VLANTo))
	}
	return nil
}

func (m *maker) managementCard() (string, error) {
	if m.o.Local && m.rack.Management.NIC != "" {
		return m.haveCard("management.nic", m.rack.Management.NIC)
	}
	if m.inv.BootMAC != "" {
		return m.haveCard(ParamBootIf, m.inv.BootMAC)
	}
	rest := slices.DeleteFunc(slices.Clone(m.inv.NICs), func(n NIC) bool { return n.MAC == m.plan.External })
	switch len(rest) {
	case 0:
		return "", refuse("Add a second network card, or leave external out of rack.yaml",
			"the machine has one network card, %s, and external.nic takes it", nicList(m.inv.NICs))
	case 1:
		return rest[0].MAC, nil
	}
	for _, n := range rest {
		if n.Link {
			return n.MAC, nil
		}
	}
	return "", refuse("Plug in the cable of the management network, or set management.nic in rack.yaml",
		"cannot tell which network card is the management one: none of %s has link", nicList(rest))
}

// haveCard checks that the machine has the card that something names.
func (m *maker) haveCard(field, mac string) (string, error) {
	mac = plainMAC(mac)
	if len(m.cardsOf(mac)) > 0 {
		return mac, nil
	}
	return "", refuse("Set "+field+" to one of them",
		"%s is %s, and the machine has no such network card; it has %s", field, mac, nicList(m.inv.NICs))
}

// cardsOf are the cards with these MACs, in that order.
func (m *maker) cardsOf(macs ...string) []NIC {
	var list []NIC
	for _, mac := range macs {
		if i := slices.IndexFunc(m.inv.NICs, func(n NIC) bool { return n.MAC == mac }); i >= 0 {
			list = append(list, m.inv.NICs[i])
		}
	}
	return list
}

// nextCard is the first card after the management one that is not taken, or
// one before it where there is none behind.
func (m *maker) nextCard() string {
	all := m.inv.NICs
	at := slices.IndexFunc(all, func(n NIC) bool { return n.MAC == m.plan.Management })
	for i := 1; i < len(all); i++ {
		if n := all[(at+i)%len(all)]; n.MAC != m.plan.External {
			return n.MAC
		}
	}
	return ""
}

// packetSizes refuses cards that cannot carry what rack.yaml wants.
func (m *maker) packetSizes() error {
	p, r := &m.plan, m.rack
	shared := []string{p.Management}
	if p.Bond != nil {
		shared = p.Bond.Members
	}
	for _, use := range []struct {
		field string
		want  int
		macs  []string
	}{{"management.mtu", r.Management.MTU, shared}, {"tenant.mtu", r.Tenant.MTU, m.trunk()}} {
		for _, n := range m.cardsOf(use.macs...) {
			if n.MTU != 0 && n.MTU < use.want {
				return refuse("Lower it in rack.yaml, or use another card",
					"%s is %d bytes, and %s takes %d at most", use.field, use.want, nicList([]NIC{n}), n.MTU)
			}
		}
	}
	return nil
}

// trunk are the cards that carry the project networks.
func (m *maker) trunk() []string {
	if m.plan.Bond != nil && m.plan.Tenant == m.plan.Management {
		return m.plan.Bond.Members
	}
	return []string{m.plan.Tenant}
}

func nicList(all []NIC) string {
	var words []string
	for _, n := range all {
		link := "no link"
		if n.Link {
			link = "link"
		}
		words = append(words, n.Name+" ("+n.MAC+", "+link+")")
	}
	return strings.Join(words, ", ")
}
