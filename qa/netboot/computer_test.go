package netboot

import (
	"context"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/qa/lab/fabric"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// machineID is the SMBIOS id of the machine, and its NICs: management, tenant,
// external.
const machineID = "6b9f4b1e-0000-4000-8000-00000000b007"

// lateID is that of a second machine.
const lateID = "6b9f4b1e-0000-4000-8000-00000000b008"

func macs() []string { return []string{"52:54:00:cc:01:01", "52:54:00:cc:01:02", "52:54:00:cc:01:03"} }

// quiet is how long a machine may do nothing.
const quiet = 2 * time.Minute

// A computer boots from the network.
type computer struct {
	*machine.Machine
	console *logbook
	ports   []*fabric.Port // of its cards
	last    machine.Activity
}

// A setup says what a computer is made of.
type setup struct {
	firmware  machine.Firmware
	memoryMiB int
	plainROM  bool
	disk      bool
	diskFirst bool // in the boot order, before the network
	// cards are the switch ports of its cards, the first one to boot from; none:
	// one in the management network, and two more that lead nowhere.
	cards []fabric.PortConfig
	late  bool // it is the second machine
}

// powered switches a computer on until the test ends.
func powered(t *testing.T, s *fabric.Switch, what setup) *computer {
	t.Helper()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("qemu-system-x86_64 is not installed")
	}
	m := macs()
	spec := machine.Spec{
		Name: "machine", Dir: filepath.Join(t.TempDir(), "machine"), CPUs: 2, MemoryMiB: what.memoryMiB, Firmware: what.firmware,
		UUID: machineID, Serial: "M1",
	}
	if what.late {
		spec.Name, spec.UUID, spec.Serial = "late", lateID, "M2"
		m = []string{"52:54:00:cc:02:01", "52:54:00:cc:02:02", "52:54:00:cc:02:03"}
	}
	c := &computer{console: newLogbook()}
	cards := what.cards
	if len(cards) == 0 {
		cards = []fabric.PortConfig{{Name: "machine", Access: managementVLAN, PlainROM: what.plainROM}}
	}
	for i, config := range cards {
		port, err := s.AddPort(config)
		must(t, err)
		c.ports = append(c.ports, port)
		spec.NICs = append(spec.NICs, machine.NIC{MAC: m[i], Port: port})
	}
	spec.NICs[0].BootIndex = 1
	if what.disk {
		spec.Disks = []machine.Disk{{File: "disk.img", SizeGiB: 16, Serial: "disk0", BootIndex: 2}}
		if what.diskFirst {
			spec.Disks[0].BootIndex, spec.NICs[0].BootIndex = 1, 2
		}
		if len(what.cards) == 0 {
			for _, mac := range m[1:] {
				spec.NICs = append(spec.NICs, machine.NIC{MAC: mac, User: &machine.User{}})
			}
		}
	}
	var err error
	c.Machine, err = machine.New(spec, machine.Needs{Launcher: machine.NewLauncher(), Log: slog.New(slog.DiscardHandler),
		Lines: func(line string) { c.console.Write([]byte(line + "\n")) }})
	must(t, err)
	must(t, c.PowerOn(t.Context()))
	t.Cleanup(func() {
		must(t, c.PowerOff(context.WithoutCancel(t.Context())))
		if t.Failed() {
			t.Logf("the console of the machine ends with:\n%s", c.tail())
		}
	})
	return c
}

// cut takes the machine's power away and gives it back.
func (c *computer) cut(t *testing.T) {
	t.Helper()
	must(t, c.PowerOff(t.Context()))
	must(t, c.PowerOn(t.Context()))
}

// works tells whether the machine has done something since it was last asked.
func (c *computer) works(t *testing.T) bool {
	t.Helper()
	now, err := c.Activity(t.Context())
	must(t, err)
	before := c.last
	c.last = now
	return now.On && (now.Serial != before.Serial || now.Disk != before.Disk || now.CPU-before.CPU > 5*time.Second)
}

func (c *computer) tail() string {
	lines := strings.SplitAfter(c.console.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "")
}
