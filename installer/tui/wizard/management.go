package wizard

import (
	"slices"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// checked goes on when what was decided so far makes a rack.yaml, as far as
// this screen is concerned; its faults are shown where they are otherwise.
func (m *Model) checked(s *screen, next func() *screen) Task {
	if len(s.stops()) == 0 || s.failed(m.faults()) {
		s.say(bad, "Please correct what is marked")
		return nil
	}
	m.push(next())
	return nil
}

// faults are those of the rack.yaml so far.
func (m *Model) faults() []fault {
	_, err := plan.ParseRack(m.a.rack(m.needs.Inventory, m.needs.Version))
	return faultsOf(err)
}

// cardItems are the network cards, to pick one, or several for a bond.
func (m *Model) cardItems(picked *[]string, fields ...string) []item {
	var all []string
	for _, n := range m.needs.Inventory.NICs {
		all = append(all, n.MAC)
	}
	var out []item
	for _, n := range m.needs.Inventory.NICs {
		l := m.links[n.MAC]
		look := warn
		if l.Up {
			look = good
		}
		i := check("card "+n.MAC, pad(n.Name, 9)+" "+n.MAC, slices.Contains(*picked, n.MAC), func() { *picked = flip(*picked, n.MAC, all) })
		i.fields = fields
		i.tail = line{{look, "  " + pad(speed(l), 9)}, {plain, " " + dash(neighbour(l))}}
		out = append(out, i)
	}
	return out
}

// bondItems choose the mode, where there are several cards.
func bondItems(cards []string, mode *string) []item {
	if len(cards) < 2 {
		return nil
	}
	return []item{
		says(text(plain, "  Several cards make a bond:")),
		radio("active-backup", "one works, the others wait (active-backup): any switch", *mode == firstBond, func() { *mode = firstBond }),
		radio("802.3ad", "all work (802.3ad): the switch ports have to speak LACP", *mode == "802.3ad", func() { *mode = "802.3ad" }),
	}
}

// managementScreen asks for the rack's own network.
func (m *Model) managementScreen() *screen {
	a := &m.a
	s := &screen{title: "New cloud, 1 of 5: management network", keys: "Up/Down move  Space choose  Enter go on  Esc back  Ctrl-L redraw  Ctrl-C leave"}
	s.items = func() []item {
		def := m.defaults()
		items := []item{note(plain, "The rack's own network: machines boot and talk on it, and this one gives out its addresses. Which cards have it?")}
		items = append(items, m.cardItems(&a.cards, "management.nic", "rules[0].nics")...)
		items = append(items, bondItems(a.cards, &a.bond)...)
		return append(items, gap(),
			input("vlan", "VLAN tag", &a.vlan, "management.vlan").hinted("none: untagged, as network boot wants it"),
			input("network", "Network", &a.network, "management.network").hinted(def.Network.String()),
			input("controller", "This machine", &a.controller, "management.controller").hinted(def.Controller.String()),
			input("from", "Other machines from", &a.rangeFrom, "management.range_from").hinted(def.RangeFrom.String()),
			input("to", "to", &a.rangeTo, "management.range_to").hinted(def.RangeTo.String()),
			gap(), button("next", "[ Go on ]", func() Task { return s.next() }))
	}
	s.next = func() Task {
		if len(a.cards) == 0 {
			s.say(bad, "Choose a card: the network needs one")
			return nil
		}
		return m.checked(s, m.externalScreen)
	}
	return s
}

// defaults are what a rack.yaml with that network fills in. One that is not a
// network shows its own fault later.
func (m *Model) defaults() plan.Management {
	if m.def.Network.IsValid() && m.defOf == m.a.network {
		return m.def
	}
	m.defOf = m.a.network
	for _, network := range []string{m.a.network, ""} {
		r, err := plan.ParseRack([]byte("management: {network: " + quoted(network) + "}\n"))
		if network == "" {
			r, err = plan.ParseRack(nil)
		}
		if err == nil {
			m.def = r.Management
			break
		}
	}
	return m.def
}
