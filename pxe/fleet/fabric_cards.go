package fleet

import (
	"cmp"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// A card is one that takes part in a round. A machine that will have a bond
// has several: each is in a switch port of its own, and what that lets through
// would else be known when the others fail.
type card struct {
	key  string // of the machine's record
	mac  string
	main bool
}

// seat has a machine take part with all its cards.
func (g *gathering) seat(r *record) {
	m := &r.Machine
	g.take(r.Key, m, m.trunk(), true)
	if m.Installed {
		return // the bond that it has is one card
	}
	for _, mac := range m.furtherCards() {
		g.take(r.Key, m, mac, false)
	}
}

func (g *gathering) take(key string, m *Machine, mac string, main bool) {
	p := plan.FabricPeer{Machine: m.ID, Name: cmp.Or(m.Name, m.ID), MAC: mac, Place: place(m, mac)}
	if !main && p.Place == "" {
		p.Place = "card " + mac
	}
	g.cards = append(g.cards, card{key, mac, main})
	g.order.Peers = append(g.order.Peers, p)
}

// furtherCards are those of a bond that carries the projects, but for the
// first.
func (m *Machine) furtherCards() []string {
	if p := m.Plan; p != nil && p.Bond != nil && p.Tenant == p.Management && len(p.Bond.Members) > 1 {
		return p.Bond.Members[1:]
	}
	return nil
}

// heard is the card's part of its machine's report; false: it took no part.
func (c card) heard(r *plan.FabricReport) (*plan.FabricReport, bool) {
	if c.main {
		return r, true
	}
	if r == nil {
		return nil, false // said once, of the machine
	}
	for _, more := range r.More {
		if more.MAC == c.mac {
			return &plan.FabricReport{Round: r.Round, Heard: more.Heard, SpeedMbps: more.SpeedMbps}, true
		}
	}
	return nil, false
}

// skew is that of the machine's clock, once.
func (c card) skew(all map[string]time.Duration) time.Duration {
	if c.main {
		return all[c.key]
	}
	return 0
}
