package wizard

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// externalScreen asks how users reach the cloud.
func (m *Model) externalScreen() *screen {
	a := &m.a
	s := &screen{title: "New cloud, 2 of 5: users", keys: "Up/Down move  Space choose  Enter go on  Esc back  Ctrl-L redraw  Ctrl-C leave"}
	s.items = func() []item {
		items := []item{note(plain, "How do users reach the dashboard and the APIs?"),
			radio("none", "on the management network", a.external == "", func() { a.external = "" })}
		for _, n := range m.needs.Inventory.NICs {
			if slices.Contains(a.cards, n.MAC) {
				continue
			}
			l := m.links[n.MAC]
			i := radio("card "+n.MAC, "on a network of their own:  "+pad(n.Name, 9)+" "+n.MAC, a.external == n.MAC, func() { a.external = n.MAC })
			i.tail = text(plain, "  "+speed(l))
			i.fields = []string{"external.nic"}
			items = append(items, i)
		}
		if a.external != "" {
			items = append(items, m.externalItems()...)
		}
		return append(items, gap(), button("next", "[ Go on ]", func() Task { return s.next() }))
	}
	s.next = func() Task { return m.checked(s, m.diskScreen) }
	return s
}

func (m *Model) externalItems() []item {
	a := &m.a
	items := []item{gap(),
		radio("dhcp", "its address comes from a DHCP server there", a.dhcp, func() { a.dhcp = true }),
		radio("static", "its address is fixed", !a.dhcp, func() { a.dhcp = false })}
	items[1].fields = []string{"external.dhcp"}
	if !a.dhcp {
		items = append(items,
			input("address", "Address", &a.address, "external.address").hinted("like 192.0.2.10/24"),
			input("gateway", "Gateway", &a.gateway, "external.gateway").hinted("none"))
	}
	return append(items, gap(),
		input("dns", "Name servers", &m.a.net.dns).hinted("those that DHCP names"),
		input("reach", "Try to reach", &a.reach).hinted("the gateway"),
		button("try", "Try it now: bring this network up", func() Task { return m.try(m.externalNetwork) }))
}

// externalNetwork is the users' network as the installer would use it.
func (m *Model) externalNetwork() (Network, *netFault) {
	a := m.a
	return netAnswers{cards: []string{a.external}, dhcp: a.dhcp, address: a.address, gateway: a.gateway, dns: a.net.dns}.network()
}

// try brings a network up and tries to reach something over it.
func (m *Model) try(which func() (Network, *netFault)) Task {
	s, target := m.top(), m.a.reach
	s.trouble = ""
	n, wrong := which()
	if wrong != nil {
		wrong.show(s)
		return nil
	}
	return s.run("Bringing the network up", func(ctx context.Context) func() {
		lease, err := m.needs.Connect(ctx, n)
		how := ""
		if target == "" && lease.Gateway.IsValid() {
			target = lease.Gateway.String()
		}
		if err == nil && target != "" {
			how, err = m.needs.Reach(ctx, target)
		}
		return func() {
			switch {
			case err != nil && lease.Address.IsValid():
				s.trouble = fmt.Sprintf("%s has address %s, but: %v", lease.Interface, lease.Address, err)
			case err != nil:
				s.trouble = err.Error()
			default:
				s.say(good, strings.TrimSpace(fmt.Sprintf("%s has address %s. %s", lease.Interface, lease.Address, how)))
			}
		}
	})
}
