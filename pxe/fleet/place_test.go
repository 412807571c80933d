package fleet

import (
	"fmt"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

func macOf(n int) string { return fmt.Sprintf("52:54:00:00:00:%02x", n) }
func idOf(n int) string  { return fmt.Sprintf("11111111-2222-4333-8444-5555555555%02d", n) }

// asked boots a machine and returns its ticket and what it is told.
func (k *rack) asked(n int) (ticket string, a plan.Answer) {
	k.t.Helper()
	d := k.boot(macOf(n), idOf(n))
	inv := inventory(macOf(n), idOf(n))
	inv.NICs[1].MAC = fmt.Sprintf("52:54:00:00:02:%02x", n)
	a, err := k.Inventory(d.Ticket, idOf(n), inv)
	if err != nil {
		k.t.Fatal(err)
	}
	return d.Ticket, a
}

func (k *rack) planned(ticket string, n int) plan.Answer {
	k.t.Helper()
	a, err := k.Plan(ticket, idOf(n))
	if err != nil {
		k.t.Fatal(err)
	}
	return a
}

const ofTwo = "2 of 2 places to install are taken by compute1, compute2"

// TestOnlySoManyInstallAtOnce: those who wait say for whom, in the order in
// which they came, and a restart of the deployer changes nothing.
func TestOnlySoManyInstallAtOnce(t *testing.T) {
	k := newRack(t, func(c *Config) { c.Rack.Fleet.Parallel = 2 })
	var tickets [6]string
	for n := 1; n <= 5; n++ {
		var a plan.Answer
		k.now = k.now.Add(time.Second)
		if tickets[n], a = k.asked(n); (a.Plan != nil) != (n <= 2) {
			t.Errorf("machine %d: %+v", n, a)
		}
	}
	check := func(n int, want string) {
		t.Helper()
		if a := k.planned(tickets[n], n); a.Wait != want || (want == "") != (a.Plan != nil) {
			t.Errorf("machine %d waits: %q, want %q", n, a.Wait, want)
		}
		if m, err := k.Machine(idOf(n)); err != nil || m.Wait != want {
			t.Errorf("machine %d is shown to wait: %q, %v", n, m.Wait, err)
		}
	}
	check(3, ofTwo+" (fleet.parallel in rack.yaml)")
	check(5, ofTwo+"; machines that were there before this one: 2 (fleet.parallel in rack.yaml)")
	k.progress(tickets[1], idOf(1), "partition")
	k.open()
	check(3, ofTwo+" (fleet.parallel in rack.yaml)")
	check(4, ofTwo+"; machines that were there before this one: 1 (fleet.parallel in rack.yaml)")
	check(5, ofTwo+"; machines that were there before this one: 2 (fleet.parallel in rack.yaml)")

	// One that fails gives its place to who asked first.
	k.progress(tickets[1], idOf(1), PhaseFailed)
	check(5, "1 of 2 places to install are taken by compute2; machines that were there before this one: 2 (fleet.parallel in rack.yaml)")
	check(3, "")
	// So does one that is installed.
	k.progress(tickets[2], idOf(2), "partition")
	k.enrol(tickets[2], idOf(2))
	check(4, "2 of 2 places to install are taken by compute2, compute3 (fleet.parallel in rack.yaml)")
	k.progress(tickets[2], idOf(2), PhaseHandover)
	check(4, "")
	// And one of which nothing is heard any more.
	k.progress(tickets[3], idOf(3), "write")
	check(5, "2 of 2 places to install are taken by compute3, compute4 (fleet.parallel in rack.yaml)")
	k.now = k.now.Add(silence + time.Second)
	k.progress(tickets[4], idOf(4), "write")
	check(5, "")
	if m := k.state(idOf(3), Installing); m.Hint == "" {
		t.Error("nothing is said of a machine that says nothing")
	}
	// It comes back and goes on.
	k.progress(tickets[3], idOf(3), "verify")
}

// TestWhoNoLongerAsksIsNotWaitedFor: a machine that waits and is switched off
// holds nobody up.
func TestWhoNoLongerAsksIsNotWaitedFor(t *testing.T) {
	k := newRack(t, func(c *Config) { c.Rack.Fleet.Parallel = 1 })
	one, _ := k.asked(1)
	k.now = k.now.Add(time.Second)
	k.asked(2)
	k.now = k.now.Add(time.Second)
	three, _ := k.asked(3)
	k.progress(one, idOf(1), PhaseFailed)
	if a := k.planned(three, 3); a.Plan != nil {
		t.Errorf("the third was before the second: %+v", a)
	}
	k.now = k.now.Add(stillThere + time.Second)
	if a := k.planned(three, 3); a.Plan == nil {
		t.Errorf("the second is gone, and the third waits: %s", a.Wait)
	}
}
