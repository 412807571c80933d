package netboot

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/qa/lab/fabric"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// atOnce is how many machines install together, and copies how many of the
// image the deployer may send to all of them.
const (
	atOnce = 6
	copies = 3
)

// one is a machine of several, by its number.
func one(t *testing.T, s *fabric.Switch, n int) *computer {
	t.Helper()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("qemu-system-x86_64 is not installed")
	}
	port, err := s.AddPort(fabric.PortConfig{Name: fmt.Sprint("machine", n), Access: managementVLAN})
	must(t, err)
	mac := func(card int) string { return fmt.Sprintf("52:54:00:cc:%02x:%02x", 0x10+n, card) }
	c := &computer{console: newLogbook()}
	c.Machine, err = machine.New(machine.Spec{
		Name: fmt.Sprint("machine", n), Dir: filepath.Join(t.TempDir(), "machine"), CPUs: 2, MemoryMiB: 1024, Firmware: machine.BIOS,
		UUID: idOf(n), Serial: fmt.Sprint("M", n),
		Disks: []machine.Disk{{File: "disk.img", SizeGiB: 16, Serial: "disk0", BootIndex: 2}},
		NICs:  []machine.NIC{{MAC: mac(1), Port: port, BootIndex: 1}, {MAC: mac(2), User: &machine.User{}}},
	}, machine.Needs{Launcher: machine.NewLauncher(), Log: slog.New(slog.DiscardHandler), Lines: func(line string) { c.console.Write([]byte(line + "\n")) }})
	must(t, err)
	must(t, c.PowerOn(t.Context()))
	t.Cleanup(func() {
		must(t, c.PowerOff(context.WithoutCancel(t.Context())))
		if t.Failed() {
			t.Logf("the console of machine %d ends with:\n%s", n, c.tail())
		}
	})
	return c
}

func idOf(n int) string { return fmt.Sprintf("6b9f4b1e-0000-4000-8000-%012x", 0xf1ee700+n) }

// installed waits until machines have written their disks, switches each off
// then, and returns the CPU time of all.
func installed(t *testing.T, l *laptop, all map[int]*computer) time.Duration {
	t.Helper()
	var cpu time.Duration
	for moved := time.Now(); len(all) > 0; time.Sleep(200 * time.Millisecond) {
		lines := slices.Collect(strings.Lines(l.String()))
		for n, c := range all {
			if c.works(t) {
				moved = time.Now()
			}
			said := func(word string) bool {
				return slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, idOf(n)) && strings.Contains(line, word) })
			}
			if said("phase=failed") {
				t.Fatalf("machine %d failed", n)
			}
			if said("phase=handover") {
				cpu += c.last.CPU
				must(t, c.PowerOff(t.Context()))
				delete(all, n)
			}
		}
		if time.Since(moved) > quiet {
			t.Fatalf("nothing happened for %s; %d machines are not installed", quiet, len(all))
		}
	}
	return cpu
}

// TestSixMachinesInstallAtOnce counts what the deployer sends to machines that
// install together, and shows what one of them costs against a machine alone.
func TestSixMachinesInstallAtOnce(t *testing.T) {
	dir := release(t)
	if !inNamespace(t) {
		return
	}
	s := network(t)
	l := deploy(t, append(consoleArgs(), "--release", dir, "--rack", rackYAML(t, "fabric: {check: off}\n"))...)
	began := time.Now()
	alone := installed(t, l, map[int]*computer{0: one(t, s, 0)})
	t.Logf("one machine: %.0f s of CPU, %.0f s", alone.Seconds(), time.Since(began).Seconds())
	began = time.Now()
	all := map[int]*computer{}
	for n := range atOnce {
		all[n+1] = one(t, s, n+1)
	}
	each := installed(t, l, all) / atOnce
	t.Logf("%d machines at once: %.0f s of CPU each, %.2f of one alone; %.0f s", atOnce, each.Seconds(), each.Seconds()/alone.Seconds(), time.Since(began).Seconds())

	out, err := exec.Command(program(t), "fleet", "--dir", filepath.Join(l.state, "operator"), "list", "--json").Output()
	must(t, err)
	var list []struct {
		ID, Name string
		Traffic  struct{ Deployer, Peers, Given int64 }
	}
	must(t, json.Unmarshal(out, &list))
	root, err := os.Stat(filepath.Join(dir, manifest.Root))
	must(t, err)
	var sum int64
	for _, m := range list {
		t.Logf("%s: %d MB from the deployer, %d MB from other machines, %d MB given", m.Name, m.Traffic.Deployer/1e6, m.Traffic.Peers/1e6, m.Traffic.Given/1e6)
		if m.ID != idOf(0) {
			sum += m.Traffic.Deployer
		}
	}
	got := float64(sum) / float64(root.Size())
	t.Logf("the deployer sent %.2f copies of the image to %d machines", got, atOnce)
	if got > copies || len(list) != atOnce+1 {
		t.Errorf("the deployer sent %.2f copies of the image to %d machines; bound: %d", got, len(list)-1, copies)
	}
}
