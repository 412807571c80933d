package plan

import (
	"fmt"
	"slices"
	"strings"
)

// bond joins the cards that the rule means; management and projects are on
// it. The card that the machine booted from comes first, so that the machine
// keeps the address that it booted with.
func (m *maker) bond() error {
	members, err := m.bondMembers()
	if err != nil {
		return err
	}
	if len(members) < 2 {
		return refuse("Plug in the cable of a second card, correct nics.members, or set nics.bond: none in that rule",
			"rule %q makes a bond of two network cards or more, and finds %s; the machine has %s",
			m.rule.Name, orNone(nicList(members)), nicList(m.inv.NICs))
	}
	first := m.inv.BootMAC
	if m.o.Local {
		first = m.rack.Management.NIC
	}
	if at := slices.IndexFunc(members, func(n NIC) bool { return n.MAC == first }); at > 0 {
		n := members[at]
		members = slices.Insert(slices.Delete(members, at, at+1), 0, n)
	} else if at < 0 && first != "" {
		m.warn("the card %s, which the machine was reached on, is not in the bond", first)
	}
	b := &Bond{Mode: m.rule.NICs.Bond}
	for _, n := range members {
		b.Members = append(b.Members, n.MAC)
		if !n.Link {
			m.warn("card %s of the bond has no link", nicList([]NIC{n}))
		}
	}
	m.warnSpeeds(members)
	m.plan.Bond, m.plan.Management, m.plan.Tenant = b, b.Members[0], b.Members[0]
	return nil
}

// bondMembers are the cards that nics.members names, or all with link. The
// external one is never among them.
func (m *maker) bondMembers() ([]NIC, error) {
	rest := slices.DeleteFunc(slices.Clone(m.inv.NICs), func(n NIC) bool { return n.MAC == m.plan.External })
	names := m.rule.NICs.Members
	if len(names) == 0 {
		return slices.DeleteFunc(rest, func(n NIC) bool { return !n.Link }), nil
	}
	meant := func(n NIC, name string) bool { return n.MAC == name || n.Name == name || n.Driver == name }
	for _, name := range names {
		if !slices.ContainsFunc(rest, func(n NIC) bool { return meant(n, name) }) {
			return nil, refuse("Correct nics.members in that rule; allowed: MACs, names and drivers",
				"nics.members of rule %q has %s, which is no network card of this machine: it has %s",
				m.rule.Name, name, nicList(m.inv.NICs))
		}
	}
	return slices.DeleteFunc(rest, func(n NIC) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return meant(n, name) })
	}), nil
}

// warnSpeeds speaks of members of different speed: 802.3ad uses the fastest
// alone then.
func (m *maker) warnSpeeds(members []NIC) {
	var speeds []string
	for _, n := range members {
		if s := fmt.Sprintf("%d", n.SpeedMbps); n.SpeedMbps > 0 && !slices.Contains(speeds, s) {
			speeds = append(speeds, s)
		}
	}
	if len(speeds) > 1 {
		m.warn("the cards of the bond differ in speed: %s Mbit/s", strings.Join(speeds, ", "))
	}
}
