package fleet

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// placed are addresses that can be chosen too.
type placed struct{ addresses }

func (p placed) PinAt(mac string, a netip.Addr) error {
	if owner, taken := p.Owner(a); taken && owner != mac {
		return fmt.Errorf("%s belongs to %s", a, owner)
	}
	p.addresses[mac] = a
	return nil
}

// withRack makes a fleet of a rack.yaml.
func withRack(t *testing.T, raw string, change func(*Config)) *rack {
	t.Helper()
	r, err := plan.ParseRack([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return newRack(t, func(c *Config) {
		c.Rack = r
		if change != nil {
			change(c)
		}
	})
}

func machineNumber(n int) (mac, id string) {
	return fmt.Sprintf("52:54:00:00:00:%02x", n), fmt.Sprintf("564d0000-0000-4000-8000-%012d", n)
}

// met is the host name that a machine gets, or why it gets none.
func (k *rack) met(n int) string {
	k.t.Helper()
	mac, id := machineNumber(n)
	a := k.inventory(k.boot(mac, id).Ticket, mac, id)
	if a.Plan == nil {
		return a.Refused
	}
	return a.Plan.HostName
}

const threeControllers = `
fabric: {check: off}
rules:
- {name: controllers, roles: [controller], count: 3}
- {name: rest, roles: [compute], count: 2}
`

func TestRulesAreCounted(t *testing.T) {
	k := withRack(t, threeControllers, func(c *Config) { c.Reserved = []string{"controller1"} })
	var got []string
	for n := 1; n <= 5; n++ {
		got = append(got, k.met(n))
	}
	want := []string{"controller2", "controller3", "compute1", "compute2",
		`every rule that machine 564d0000-0000-4000-8000-000000000005 meets is full: "controllers" with 3 of 3 machines, "rest" with 2 of 2 machines. Raise count of that rule, or add a rule behind it.`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	k.open()
	if again := k.met(2); again != "controller3" {
		t.Errorf("after a restart of the deployer the second machine is %s, want controller3 as before", again)
	}
}

func TestReinstallationKeepsTheRule(t *testing.T) {
	k := withRack(t, threeControllers, nil)
	mac, id := machineNumber(1)
	k.install(mac, id)
	for n := 2; n <= 4; n++ {
		k.met(n)
	}
	if _, err := k.Reinstall(id); err != nil {
		t.Fatal(err)
	}
	if got := k.met(4); got != "compute1" {
		t.Errorf("the fourth machine is %s while the first is installed again, want compute1", got)
	}
	if got := k.met(1); got != "controller1" {
		t.Errorf("the first machine is %s when it is installed again, want controller1", got)
	}
	if m, err := k.Machine(id); err != nil || m.Rule != "controllers" {
		t.Errorf("the first machine counts for %q (%v), want controllers", m.Rule, err)
	}
}

const oneKnown = `
fabric: {check: off}
machines: [{mac: '52:54:00:00:00:01', name: alpha, address: 10.20.0.21}]
`

func TestKnownMachineGetsItsNameAndAddress(t *testing.T) {
	k := withRack(t, oneKnown, func(c *Config) { c.Addresses = placed{addresses{}} })
	mac, id := machineNumber(1)
	if got := k.met(2); got != "compute1" {
		t.Errorf("another machine is %s, want compute1", got)
	}
	d := k.boot(mac, id)
	if a := k.inventory(d.Ticket, mac, id); a.Plan == nil || a.Plan.HostName != "alpha" {
		t.Fatalf("got %+v, want a plan for alpha", a)
	}
	k.progress(d.Ticket, id, "partition")
	if e := k.enrol(d.Ticket, id); e.Node.Management.Address != netip.MustParsePrefix("10.20.0.21/24") {
		t.Errorf("the node has %s, want 10.20.0.21/24", e.Node.Management.Address)
	}
}

func TestAddressThatCannotBeKeptIsRefused(t *testing.T) {
	k := withRack(t, oneKnown, nil)
	if got := k.met(1); !strings.Contains(got, "no address for the machine: 10.20.0.21 for 52:54:00:00:00:01") {
		t.Errorf("got %q", got)
	}
}
