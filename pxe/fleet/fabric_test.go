package fleet

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// checked is a rack whose fabric check is on, with two machines that sent
// their inventories, and their tickets.
func checked(t *testing.T, mode string) (k *rack, one, two string) {
	t.Helper()
	k = newRack(t, func(c *Config) { c.Rack.Fabric = plan.Fabric{Check: mode, Quiet: 5, MaxSkew: 2} })
	one, two = k.boot(mac1, id1).Ticket, k.boot(mac2, id2).Ticket
	for _, m := range [][2]string{{one, id1}, {two, id2}} {
		id := m[1]
		a := k.trunked(m[0], id)
		if a.Plan != nil || a.Fabric != nil || !strings.Contains(a.Wait, "waiting for a round") {
			t.Fatalf("machine %s: %+v", id, a)
		}
	}
	return k, one, two
}

func (k *rack) trunked(ticket, id string) plan.Answer {
	k.t.Helper()
	boot, tenant := mac1, "52:54:00:00:01:01"
	if id == id2 {
		boot, tenant = mac2, "52:54:00:00:01:02"
	}
	a, err := k.Inventory(ticket, id, plan.Inventory{Machine: id, CPUs: 2, MemoryMiB: 2048, BootMAC: boot, Firmware: "bios",
		Disks: []plan.Disk{{Path: "/dev/vda", Size: 20 << 30}},
		NICs: []plan.NIC{{Name: "eth0", MAC: boot, Link: true},
			{Name: "eth1", MAC: tenant, Link: true, LLDP: &plan.LLDP{Switch: "tor-1", Port: "7"}}}})
	if err != nil {
		k.t.Fatal(err)
	}
	return a
}

func (k *rack) asks(ticket, id string) plan.Answer {
	k.t.Helper()
	a, err := k.Plan(ticket, id)
	if err != nil {
		k.t.Fatal(err)
	}
	return a
}

// reports says that the machine heard all of the other, but for one VLAN.
func (k *rack) reports(ticket, id string, o *plan.FabricOrder, without int) {
	k.t.Helper()
	r := plan.FabricReport{Round: o.Round, Clock: k.now.Format(time.RFC3339Nano)}
	for _, p := range o.Peers {
		for _, v := range o.VLANs {
			if p.Machine != id && v != without {
				r.Heard = append(r.Heard, plan.FabricHeard{MAC: p.MAC, VLAN: v, As: v, Size: o.MTU})
			}
		}
	}
	if err := k.Fabric(ticket, id, r); err != nil {
		k.t.Fatal(err)
	}
}

// TestFabricEnforced: a VLAN that does not pass keeps both machines from
// their disks, until it does.
func TestFabricEnforced(t *testing.T) {
	k, one, two := checked(t, "enforce")
	for round, missing := range []int{137, 0} {
		k.now = k.now.Add(6 * time.Second)
		a, b := k.asks(one, id1), k.asks(two, id2)
		if a.Fabric == nil || b.Fabric == nil || a.Fabric.Round != round+1 {
			t.Fatalf("no order: %+v, %+v", a, b)
		}
		if a.Fabric.Trunk != "52:54:00:00:01:01" || a.Fabric.Management != mac1 || len(a.Fabric.VLANs) != 100 || a.Fabric.Peers[0].Place != "tor-1 port 7" {
			t.Errorf("order %+v", a.Fabric)
		}
		k.reports(one, id1, a.Fabric, missing)
		if a = k.asks(one, id1); !strings.Contains(a.Wait, "1 of 2 machines have reported") {
			t.Errorf("in between: %+v", a)
		}
		k.reports(two, id2, b.Fabric, missing)
		a = k.asks(one, id1)
		if missing != 0 && !strings.Contains(a.Wait, "VLAN 137 does not pass between compute1 (tor-1 port 7) and compute2 (tor-1 port 7)") {
			t.Errorf("after a bad round: %+v", a)
		}
		if missing == 0 && (a.Plan == nil || k.asks(two, id2).Plan == nil) {
			t.Errorf("after a good round: %+v", a)
		}
		k.asks(two, id2)
	}
	if m := k.Matrix(); m == nil || m.Round != 2 || len(m.Findings) != 0 {
		t.Errorf("matrix %+v", m)
	}
}

// TestFabricReportOnly: the same finding is shown, and they go on.
func TestFabricReportOnly(t *testing.T) {
	k, one, two := checked(t, "report")
	k.now = k.now.Add(6 * time.Second)
	a, b := k.asks(one, id1), k.asks(two, id2)
	k.reports(one, id1, a.Fabric, 137)
	k.reports(two, id2, b.Fabric, 137)
	if a = k.asks(one, id1); a.Plan == nil {
		t.Fatalf("got %+v", a)
	}
	m, err := k.Machine(id1)
	if err != nil {
		t.Fatal(err)
	}
	last := m.Checks[len(m.Checks)-1]
	if !last.OK || !strings.Contains(last.Why, "VLAN 137") {
		t.Errorf("check %+v", last)
	}
}

// TestFabricGoesOnWithoutTheSilent: a machine that vanishes in a round does
// not hold the others up.
func TestFabricGoesOnWithoutTheSilent(t *testing.T) {
	k, one, _ := checked(t, "enforce")
	k.now = k.now.Add(6 * time.Second)
	a := k.asks(one, id1)
	k.reports(one, id1, a.Fabric, 0)
	k.now = k.now.Add(time.Minute)
	if a = k.asks(one, id1); a.Plan == nil {
		t.Errorf("got %+v", a)
	}
	if err := k.Fabric(one, id1, plan.FabricReport{Round: 1}); !errors.Is(err, ErrState) {
		t.Errorf("a report of a round that is over: %v", err)
	}
}
