package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// polls asks as an installer does, for so long, and returns the last answer.
func (k *rack) polls(ticket, id string, long time.Duration) (a plan.Answer) {
	k.t.Helper()
	for end := k.now.Add(long); k.now.Before(end); {
		k.now = k.now.Add(10 * time.Second)
		a = k.asks(ticket, id)
	}
	return a
}

// TestFabricWaitsForMachinesThatBoot: a machine that is ready for the check
// before another has booted is not checked alone; but it does not wait for
// ever.
func TestFabricWaitsForMachinesThatBoot(t *testing.T) {
	k := newRack(t, func(c *Config) { c.Rack.Fabric = plan.Fabric{Check: "enforce", Quiet: 5, MaxSkew: 2} })
	one, two := k.boot(mac1, id1).Ticket, k.boot(mac2, id2).Ticket
	k.trunked(one, id1)
	a := k.polls(one, id1, time.Minute)
	if a.Fabric != nil || !strings.Contains(a.Wait, "waiting for a round to start, for 4m0s at most: machines that boot should take part, and there are 1") {
		t.Errorf("while another boots: %+v", a)
	}
	k.trunked(two, id2)
	k.now = k.now.Add(6 * time.Second)
	if a, b := k.asks(one, id1), k.asks(two, id2); a.Fabric == nil || b.Fabric == nil || len(a.Fabric.Peers) != 2 {
		t.Errorf("when it has come: %+v, %+v", a, b)
	}
}

func TestFabricDoesNotWaitForEver(t *testing.T) {
	k := newRack(t, func(c *Config) { c.Rack.Fabric = plan.Fabric{Check: "enforce", Quiet: 5, MaxSkew: 2} })
	one := k.boot(mac1, id1).Ticket
	k.boot(mac2, id2)
	k.trunked(one, id1)
	for range 4 { // the other boots again and again
		if a := k.polls(one, id1, time.Minute); a.Fabric != nil {
			t.Errorf("while another boots: %+v", a)
		}
		k.boot(mac2, id2)
	}
	if a := k.polls(one, id1, time.Minute+10*time.Second); a.Fabric == nil {
		t.Errorf("after five minutes: %+v", a)
	}
}

// TestFabricDoesNotWaitForTheRefused: who was refused before will be refused
// again.
func TestFabricDoesNotWaitForTheRefused(t *testing.T) {
	k := newRack(t, func(c *Config) { c.Rack.Fabric = plan.Fabric{Check: "enforce", Quiet: 5, MaxSkew: 2} })
	one, two := k.boot(mac1, id1).Ticket, k.boot(mac2, id2).Ticket
	a, err := k.Inventory(two, id2, plan.Inventory{Machine: id2, CPUs: 2, MemoryMiB: 2048, BootMAC: mac2, Firmware: "bios",
		NICs: []plan.NIC{{Name: "eth0", MAC: mac2, Link: true}}})
	if err != nil || a.Refused == "" {
		t.Fatalf("a machine without a disk: %+v, %v", a, err)
	}
	// That it was refused is what its installer reports; the reason stays ours.
	if err := k.Progress(two, id2, plan.Progress{Phase: PhaseFailed, Detail: "the deployer refuses this machine. " + a.Refused}); err != nil {
		t.Fatal(err)
	}
	if m, err := k.Machine(id2); err != nil || m.State != Failed || m.Reason != a.Refused {
		t.Errorf("it was refused with %q, and is %s with %q, %v", a.Refused, m.State, m.Reason, err)
	}
	k.boot(mac2, id2)
	k.trunked(one, id1)
	k.now = k.now.Add(6 * time.Second)
	if a := k.asks(one, id1); a.Fabric == nil {
		t.Errorf("got %+v", a)
	}
}
