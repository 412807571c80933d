package fleet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

const (
	trunk1 = "52:54:00:00:01:01"
	trunk2 = "52:54:00:00:01:02"
)

// lateRack is a rack with one installed node, whose fabric check is on.
func lateRack(t *testing.T) (k *rack, node string) {
	t.Helper()
	k = newRack(t, nil)
	k.install(mac1, id1)
	k.conf.Rack.Fabric = plan.Fabric{Check: "enforce", Quiet: 5, MaxSkew: 2}
	return k, k.state(id1, Enrolled).Node.ID
}

// listen has a node wait for a round in the background, and returns when it
// does.
func (k *rack) listen(node string, after int) <-chan *plan.FabricOrder {
	k.t.Helper()
	out := make(chan *plan.FabricOrder, 1)
	go func() {
		o, err := k.NodeOrder(k.t.Context(), node, after)
		if err != nil {
			k.t.Errorf("node %s: %v", node, err)
		}
		out <- o
	}()
	for range 10000 {
		k.mu.Lock()
		n := len(k.rounds.nodes.open)
		k.mu.Unlock()
		if n > 0 {
			return out
		}
		time.Sleep(time.Millisecond)
	}
	k.t.Fatal("the node does not wait")
	return nil
}

// hears is a report of all that one member sent, but for a VLAN.
func (k *rack) hears(o *plan.FabricOrder, mac string, without int) plan.FabricReport {
	r := plan.FabricReport{Round: o.Round, Clock: k.now.Format(time.RFC3339Nano)}
	for _, v := range o.VLANs {
		if v != without {
			r.Heard = append(r.Heard, plan.FabricHeard{MAC: mac, VLAN: v, As: v, Size: o.MTU})
		}
	}
	return r
}

// TestFabricWithANodeThatRuns: a machine that comes late is checked against a
// node, and what is missing is found though it is alone.
func TestFabricWithANodeThatRuns(t *testing.T) {
	k, node := lateRack(t)
	two := k.boot(mac2, id2).Ticket
	k.trunked(two, id2)
	for round, missing := range []int{137, 0} {
		asked := k.listen(node, round)
		k.now = k.now.Add(6 * time.Second)
		a := k.asks(two, id2)
		o := <-asked
		if a.Fabric == nil || o == nil || len(a.Fabric.Peers) != 2 {
			t.Fatalf("orders: %+v, %+v", a, o)
		}
		if o.Trunk != trunk1 || o.Seconds <= a.Fabric.Seconds || o.Address.IsValid() || o.Check() != nil {
			t.Errorf("order for the node %+v", o)
		}
		if err := k.NodeFabric(node, k.hears(o, trunk2, missing)); err != nil {
			t.Fatal(err)
		}
		if err := k.Fabric(two, id2, k.hears(o, trunk1, missing)); err != nil {
			t.Fatal(err)
		}
		a = k.asks(two, id2)
		if missing != 0 && !strings.Contains(a.Wait, "VLAN 137 does not pass between compute2 (tor-1 port 7) and compute1") {
			t.Errorf("after a bad round: %+v", a)
		}
		if missing == 0 && a.Plan == nil {
			t.Errorf("after a good round: %+v", a)
		}
		k.asks(two, id2)
	}
	k.state(id1, Enrolled)
}

// TestFabricWithoutAnybody: a machine that is alone goes on, and it is said
// that nothing is known.
func TestFabricWithoutAnybody(t *testing.T) {
	k, _ := lateRack(t)
	two := k.boot(mac2, id2).Ticket
	k.trunked(two, id2)
	k.now = k.now.Add(6 * time.Second)
	a := k.asks(two, id2)
	if a.Fabric == nil || len(a.Fabric.Peers) != 1 {
		t.Fatalf("got %+v", a)
	}
	if err := k.Fabric(two, id2, plan.FabricReport{Round: a.Fabric.Round}); err != nil {
		t.Fatal(err)
	}
	if a = k.asks(two, id2); a.Plan == nil {
		t.Fatalf("got %+v", a)
	}
	m := k.state(id2, Checked)
	if last := m.Checks[len(m.Checks)-1]; !last.OK || last.Why != "nobody else took part: what its switch port lets through is not known" {
		t.Errorf("check %+v", last)
	}
}

// TestFabricLeavesASilentNode: a node that took part and did not report holds
// one round up, not the next.
func TestFabricLeavesASilentNode(t *testing.T) {
	k, node := lateRack(t)
	two := k.boot(mac2, id2).Ticket
	k.trunked(two, id2)
	asked := k.listen(node, 0)
	k.now = k.now.Add(6 * time.Second)
	a := k.asks(two, id2)
	<-asked
	if err := k.Fabric(two, id2, k.hears(a.Fabric, trunk1, 0)); err != nil {
		t.Fatal(err)
	}
	k.now = k.now.Add(time.Minute)
	if a = k.asks(two, id2); a.Plan == nil {
		t.Fatalf("got %+v", a)
	}
	k.boot(mac2, id2)
	k.listen(node, 1)
	k.mu.Lock()
	defer k.mu.Unlock()
	if got := k.references(k.now); len(got) != 0 {
		t.Errorf("%v takes part again at once", got)
	}
	if got := k.references(k.now.Add(nodeSilence)); len(got) != 1 {
		t.Errorf("%v takes part after a while; want one", got)
	}
}

func TestWhoListensToRounds(t *testing.T) {
	k, node := lateRack(t)
	ended, end := context.WithCancel(t.Context())
	end()
	if o, err := k.NodeOrder(ended, node, 0); o != nil || err != nil {
		t.Errorf("a node that went away: %+v, %v", o, err)
	}
	if _, err := k.NodeOrder(t.Context(), "somebody", 0); !errors.Is(err, ErrUnknown) {
		t.Errorf("a node that is not ours: %v", err)
	}
	if err := k.NodeFabric("somebody", plan.FabricReport{}); !errors.Is(err, ErrUnknown) {
		t.Errorf("its report: %v", err)
	}
	if err := k.NodeFabric(node, plan.FabricReport{Round: 7}); !errors.Is(err, ErrState) {
		t.Errorf("a report of no round: %v", err)
	}
	k.mu.Lock()
	for i := range maxListeners {
		k.rounds.nodes.open[strings.Repeat("x", i+1)] = 1
	}
	k.mu.Unlock()
	if o, err := k.NodeOrder(t.Context(), node, 0); o != nil || err != nil {
		t.Errorf("one too many: %+v, %v", o, err)
	}
}

// TestReferencesAreOfSeveralSwitches: the first of each switch, then others.
func TestReferencesAreOfSeveralSwitches(t *testing.T) {
	k, _ := lateRack(t)
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.records[mac1]
	k.records = map[string]*record{}
	k.rounds.nodes.begin()
	for i, sw := range []string{"a", "a", "a", "b", "a", "c"} {
		c := *r
		c.Key, c.Machine.Name = string(rune('1'+i)), string(rune('1'+i))
		c.Machine.Inventory = &plan.Inventory{NICs: []plan.NIC{{MAC: trunk1, LLDP: &plan.LLDP{Switch: sw}}}}
		k.records[c.Key] = &c
		k.rounds.nodes.open[c.Key] = 1
	}
	if got := strings.Join(k.references(k.now), ""); got != "1462" {
		t.Errorf("got nodes %s, want 1, 4 and 6 of three switches, then 2", got)
	}
}
