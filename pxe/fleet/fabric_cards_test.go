package fleet

import (
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// TestFabricChecksEachCardOfABond: what is missing on the port of a card that
// would be used when another fails is found, and named by that port.
func TestFabricChecksEachCardOfABond(t *testing.T) {
	k := newRack(t, func(c *Config) {
		c.Rack.Fabric = plan.Fabric{Check: "enforce", Quiet: 5, MaxSkew: 2}
		c.Rack.Rules[1].NICs.Bond = plan.BondActiveBackup
	})
	ticket := k.boot(mac1, id1).Ticket
	k.trunked(ticket, id1)
	other := k.boot(mac2, id2).Ticket
	k.trunked(other, id2)
	for round, missing := range []int{137, 0} {
		two := asked(t, k, ticket, id1, round+1)
		three := asked(t, k, other, id2, round+1)
		if len(two.Peers) != 4 || two.Trunk != mac1 || strings.Join(two.Cards, " ") != trunk1 || strings.Join(three.Cards, " ") != trunk2 {
			t.Fatalf("orders %+v and %+v", two, three)
		}
		all := func(without ...string) (heard []plan.FabricHeard) {
			for _, p := range two.Peers {
				for _, v := range two.VLANs {
					if v != missing || !strings.Contains(strings.Join(append(without, trunk2), " "), p.MAC) {
						heard = append(heard, plan.FabricHeard{MAC: p.MAC, VLAN: v, As: v, Size: two.MTU})
					}
				}
			}
			return heard
		}
		everything := []string{mac1, mac2, trunk1}
		for id, r := range map[string]plan.FabricReport{
			ticket: {Heard: all(), More: []plan.FabricCard{{MAC: trunk1, Heard: all()}}},
			other:  {Heard: all(), More: []plan.FabricCard{{MAC: trunk2, Heard: all(everything...)}}},
		} {
			r.Round = two.Round
			if err := k.Fabric(id, map[string]string{ticket: id1, other: id2}[id], r); err != nil {
				t.Fatal(err)
			}
		}
		a, b := k.asks(ticket, id1), k.asks(other, id2)
		if missing == 0 && (a.Plan == nil || b.Plan == nil) {
			t.Errorf("after a good round: %+v, %+v", a, b)
		}
		if want := "VLAN 137 does not pass to or from compute2 (tor-1 port 7)"; missing != 0 && (a.Plan == nil || !strings.Contains(b.Wait, want)) {
			t.Errorf("after a bad round: %+v, %+v; want %s", a, b, want)
		}
		if round == 0 {
			k.boot(mac1, id1) // it would be installing by now
			ticket = k.boot(mac1, id1).Ticket
			k.trunked(ticket, id1)
		}
	}
}

// asked is the order that a machine gets when nobody new came for a while.
func asked(t *testing.T, k *rack, ticket, id string, round int) *plan.FabricOrder {
	t.Helper()
	k.now = k.now.Add(6e9)
	a := k.asks(ticket, id)
	if a.Fabric == nil || a.Fabric.Round != round {
		t.Fatalf("no order for round %d: %+v", round, a)
	}
	return a.Fabric
}
