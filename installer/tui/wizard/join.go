package wizard

import (
	"context"
	"fmt"
	"strings"
)

// netScreen brings up the network over which a deployer is reached.
func (m *Model) netScreen() *screen {
	return m.networkScreen("Join a cloud, 1 of 2: network", "Over which network is the deployer reached?", func() { m.push(m.deployerScreen()) })
}

// fetchNetScreen does it for what a person wants to fetch.
func (m *Model) fetchNetScreen() *screen {
	return m.networkScreen("Network of the installer", "Over which network can the installer fetch?", func() {
		m.back()
		m.top().focus = "url"
	})
}

func (m *Model) networkScreen(title, about string, then func()) *screen {
	n := &m.a.net
	s := &screen{title: title, keys: "Up/Down move  Space choose  Enter go on  Esc back  Ctrl-L redraw  Ctrl-C leave"}
	s.items = func() []item {
		items := append([]item{note(plain, about)}, m.cardItems(&n.cards)...)
		items = append(items, bondItems(n.cards, &n.bond)...)
		items = append(items, gap(), input("vlan", "VLAN tag", &n.vlan).hinted("none: untagged"),
			radio("dhcp", "the address comes from a DHCP server", n.dhcp, func() { n.dhcp = true }),
			radio("static", "the address is fixed", !n.dhcp, func() { n.dhcp = false }))
		if !n.dhcp {
			items = append(items,
				input("address", "Address", &n.address).hinted("like 192.0.2.10/24"),
				input("gateway", "Gateway", &n.gateway).hinted("none"),
				input("dns", "Name servers", &n.dns).hinted("none"))
		}
		return append(items, gap(), button("next", "[ Bring it up and go on ]", func() Task { return s.next() }))
	}
	s.next = func() Task {
		s.trouble = ""
		net, wrong := n.network()
		if wrong != nil {
			wrong.show(s)
			return nil
		}
		return s.run("Bringing the network up", func(ctx context.Context) func() {
			lease, err := m.needs.Connect(ctx, net)
			return func() {
				if err != nil {
					s.trouble = err.Error()
					return
				}
				then()
				m.top().say(good, fmt.Sprintf("%s has address %s", lease.Interface, lease.Address))
			}
		})
	}
	return s
}

// deployerScreen asks which deployer is meant.
func (m *Model) deployerScreen() *screen {
	s := &screen{title: "Join a cloud, 2 of 2: deployer"}
	s.items = func() []item {
		return []item{
			note(plain, "The deployer is the first controller of the cloud, or the machine that runs cairn deploy."), gap(),
			input("host", "Its address", &m.a.deployer).hinted("10.20.0.11"),
			gap(), button("next", "[ Ask it ]", func() Task { return s.next() }),
		}
	}
	s.next = func() Task {
		s.trouble = ""
		host := strings.TrimSpace(m.a.deployer)
		if host == "" {
			host = "10.20.0.11"
		}
		return s.run("Asking "+short(host, 40), func(ctx context.Context) func() {
			d, err := m.needs.Ask(ctx, host)
			return func() {
				if err != nil {
					s.trouble = err.Error()
					return
				}
				m.push(m.trustScreen(d))
			}
		})
	}
	return s
}

// trustScreen shows what the deployer has to show too.
func (m *Model) trustScreen(d Deployer) *screen {
	s := &screen{title: "Join a cloud: is it the right one?"}
	s.items = func() []item {
		items := []item{gap(), says(line{{plain, "  The deployer at "}, {bold, d.Host}, {plain, " says that its cloud has the fingerprint"}}), gap()}
		for _, l := range grouped(d.CA) {
			items = append(items, says(text(bold, "      "+l)))
		}
		items = append(items, gap(), note(plain, "Compare it with what the deployer shows itself: on its page, in the log of cairn deploy, "+
			"or on the last screen of the first controller's installation. Whoever has another one is somebody else."), gap())
		if d.Ticket == "" {
			return append(items, note(bad, "It does not install this machine: "+d.Why), gap(), button("back", "Go back", func() Task { m.back(); return nil }))
		}
		return append(items,
			button("no", "It is another one: go back", func() Task { m.back(); return nil }),
			button("yes", "It is the same: join this cloud", func() Task { m.finish(Answer{Choice: Join, Deployer: d}); return nil }))
	}
	return s
}

// grouped breaks a fingerprint like sha256:<64 hex digits> into rows of
// groups that can be read aloud.
func grouped(fingerprint string) []string {
	kind, digits, ok := strings.Cut(fingerprint, ":")
	if !ok {
		kind, digits = "", fingerprint
	}
	const group, perRow = 4, 8
	var rows, words []string
	for len(digits) > 0 {
		n := min(group, len(digits))
		words, digits = append(words, digits[:n]), digits[n:]
		if len(words) == perRow || digits == "" {
			rows, words = append(rows, pad(kind, len(kind)+1)+strings.Join(words, " ")), nil
			kind = strings.Repeat(" ", len(kind))
		}
	}
	return rows
}
