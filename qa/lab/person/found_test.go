package person

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/qa/lab/fabric"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

const (
	someKey     = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBS6W3hHQpXgtyeMyD5eWi3lqZ1b7cOqOHkPXhVUAmrN ops@laptop"
	fingerprint = "SHA256:BeybJq40YONWquB1jl00piOHRfy+80QGKQ0WFq2ESRs ops@laptop"
)

// last are the steps from the disk to an installed machine, which is started.
func last(about string) []step {
	return []step{
		{"blank: nothing would be lost", "[ Go on ]", Enter},
		{"4 of 5", "Cloud", "rehearsal"},
		{"rehearsal", "[ Go on ]", Enter},
		{"5 of 5", "Type or paste", someKey + Enter},
		{fingerprint, "[ Go on ]", Enter},
		{"Nothing is lost.", "Type yes", "no" + Enter},
		{`! the code is "no"; allowed: yes`, "", "\b\byes" + Enter},
		{about, "", ""},
		{"It is installed.", "", ""},
	}
}

// TestFromABareMachineToAController: the medium without a rack.yaml takes a
// person at the serial line to a controller whose API answers, and then
// another to a node that joins it.
func TestFromABareMachineToAController(t *testing.T) {
	b := newBench(t)
	port := freePort(t)
	p := b.sit(t, "1", machine.BIOS,
		b.plugged(t, "52:54:00:00:00:0a", fabric.PortConfig{Name: "1", Access: 10}),
		machine.NIC{MAC: "52:54:00:00:00:0b", User: &machine.User{Forwards: []machine.Forward{{From: port, To: 443}}}})
	do(t, p,
		step{"press a key here", "", Enter}, // wakes the line
		step{"ttyS0", "Found a new cloud", Enter},
		step{"1 of 5", "Network", "10.20.0.0/33"},
		step{"10.20.0.0/33", "[ Go on ]", Enter},
		step{`! management.network is "10.20.0.0/33"`, "Network", "\b\b24"},
		step{"[10.20.0.0/24 ", "", ""},
		step{"1 of 5", "[ Go on ]", Enter},
		step{"2 of 5", "52:54:00:00:00:0b", " "},
		step{"its address comes from a DHCP server", "Try it now", Enter},
		step{"has address 10.0.2.15/24", "[ Go on ]", Enter},
		step{"3 of 5", "", "\x1b"}, // and back
		step{"2 of 5", "[ Go on ]", Enter},
	)
	do(t, p, last("Installing controller1 on /dev/vda")...)
	end := p.Screen()
	if !strings.Contains(end, "ssh cairn@10.20.0.11") {
		t.Errorf("the last screen does not say how to log in:\n%s", end)
	}
	do(t, p, step{"Start it now", "", Enter})
	answers(t, p, fmt.Sprintf("https://127.0.0.1:%d/identity/v3", port))
	t.Run("and another joins", func(t *testing.T) { join(t, b, digits(end)) })
}

// digits are the groups of a fingerprint on a screen, as a person compares
// them.
func digits(screen string) string {
	return strings.Join(regexp.MustCompile(`\b[0-9a-f]{4}\b`).FindAllString(screen[max(0, strings.Index(screen, "sha256")):], 16), " ")
}

// join has a second machine join the cloud with that fingerprint, from its
// screens.
func join(t *testing.T, b bench, ca string) {
	p := b.sit(t, "2", machine.BIOS,
		b.plugged(t, "52:54:00:00:00:1a", fabric.PortConfig{Name: "2", Access: 10}),
		b.plugged(t, "52:54:00:00:00:1b", fabric.PortConfig{Name: "2/projects", Trunk: []int{100, 101, 102}}))
	do(t, p,
		step{"press a key here", "", Enter},
		step{"ttyS0", "Join a cloud", Enter},
		step{"1 of 2", "[ Bring it up", Enter},
		step{"2 of 2", "[ Ask it ]", Enter},
		step{"is it the right one?", "", ""},
	)
	if got := digits(p.Screen()); got != ca {
		t.Fatalf("the deployer's fingerprint is %q, and the controller's last screen had %q:\n%s", got, ca, p.Screen())
	}
	do(t, p,
		step{"is it the right one?", "It is the same", Enter},
		step{"Nothing is lost.", "Type yes", "yes" + Enter},
		step{"It is installed.", "", ""},
		step{"Start it now", "", Enter},
		step{"log in: ssh", "", ""},
	)
}

// TestBondAndTag: UEFI, and a management network that has a tag, on a bond of
// two cards.
func TestBondAndTag(t *testing.T) {
	b := newBench(t)
	port := freePort(t)
	p := b.sit(t, "3", machine.UEFI,
		b.plugged(t, "52:54:00:00:00:2a", fabric.PortConfig{Name: "3/a", Trunk: []int{20}}),
		b.plugged(t, "52:54:00:00:00:2b", fabric.PortConfig{Name: "3/b", Trunk: []int{20}}),
		machine.NIC{MAC: "52:54:00:00:00:2c", User: &machine.User{Forwards: []machine.Forward{{From: port, To: 443}}}})
	do(t, p,
		step{"press a key here", "", Enter},
		step{"ttyS0", "Found a new cloud", Enter},
		step{"1 of 5", "52:54:00:00:00:2b", " "},
		step{"Several cards make a bond", "active-backup", " "},
		step{"1 of 5", "VLAN tag", "20"},
		step{"[20 ", "[ Go on ]", Enter},
		step{"2 of 5", "52:54:00:00:00:2c", " "},
		step{"its address comes from a DHCP server", "[ Go on ]", Enter},
	)
	do(t, p, last("Installing controller1 on /dev/vda")...)
	do(t, p, step{"Start it now", "", Enter})
	answers(t, p, fmt.Sprintf("https://127.0.0.1:%d/identity/v3", port))
}
