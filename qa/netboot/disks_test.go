package netboot

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/raid"
	"github.com/cairn-cloud/cairn/qa/lab/fabric"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// shelf are the disks of a machine, in it or beside it: two of 16 GiB, and one
// of 4 GiB for data.
type shelf struct {
	dir  string
	port *fabric.Port
}

func (s shelf) file(name string) string { return filepath.Join(s.dir, name+".img") }

// powered switches a machine on with these of the disks, which it tries to
// boot from in their order, after the network or without it.
func (s shelf) powered(t *testing.T, network bool, names ...string) *computer {
	t.Helper()
	m := macs()
	spec := machine.Spec{Name: "machine", Dir: filepath.Join(s.dir, strings.Join(names, "")), CPUs: 2, MemoryMiB: 1024, Firmware: machine.BIOS,
		UUID: machineID, Serial: "M1", NICs: []machine.NIC{{MAC: m[0], Port: s.port}}}
	if network {
		spec.NICs[0].BootIndex = 1
	}
	for _, mac := range m[1:] {
		spec.NICs = append(spec.NICs, machine.NIC{MAC: mac, User: &machine.User{}})
	}
	for i, name := range names {
		size := map[string]int{"a": 16, "b": 16, "c": 4}[name]
		spec.Disks = append(spec.Disks, machine.Disk{File: s.file(name), SizeGiB: size, Serial: "disk-" + name, BootIndex: i + 2})
	}
	c := &computer{console: newLogbook()}
	var err error
	c.Machine, err = machine.New(spec, machine.Needs{Launcher: machine.NewLauncher(), Log: slog.New(slog.DiscardHandler),
		Lines: func(line string) { c.console.Write([]byte(line + "\n")) }})
	must(t, err)
	must(t, c.PowerOn(t.Context()))
	t.Cleanup(func() {
		must(t, c.PowerOff(context.WithoutCancel(t.Context())))
		if t.Failed() {
			t.Logf("the console of the machine with %v ends with:\n%s", names, c.tail())
		}
	})
	return c
}

// threeDisks wipes nothing of anybody's.
const threeDisks = `fabric: {check: off}
rules:
- roles: [compute]
  encrypt: deployer
  disk: {mirror: true, choose: first}
  data: [{use: volumes, count: 1, disk: {max_gib: 8}}]
`

// TestAMirrorADiskForDataAndAKeyOfTheDeployer installs a machine on two disks,
// with a third one for data, all encrypted with a key that the deployer keeps.
// It starts without the first disk, and with it again while its key is locked.
func TestAMirrorADiskForDataAndAKeyOfTheDeployer(t *testing.T) {
	dir := release(t)
	if !inNamespace(t) {
		return
	}
	s := network(t)
	l := deploy(t, append(consoleArgs(), "--release", dir, "--rack", rackYAML(t, threeDisks))...)
	port, err := s.AddPort(fabric.PortConfig{Name: "machine", Access: managementVLAN})
	must(t, err)
	disks, cairn := shelf{t.TempDir(), port}, program(t)

	c := disks.powered(t, true, "a", "b", "c")
	l.wait(t, quiet, c, "keys kept")
	l.wait(t, quiet, c, "machine enrolled")
	l.wait(t, quiet, c, "phase=handover")
	c.console.wait(t, quiet, c, "asking the deployer at "+laptopAddress+" for its key")
	l.wait(t, quiet, c, "key given")
	c.console.wait(t, quiet, c, "disks for data: volumes-1")
	c.console.wait(t, quiet, c, "log in: ssh")
	must(t, c.PowerOff(t.Context()))
	for _, name := range []string{"a", "b"} {
		sealedMirror(t, disks.file(name))
	}

	c = disks.powered(t, false, "b", "c")
	c.console.wait(t, quiet, c, "the mirror lacks a disk")
	c.console.wait(t, quiet, c, "disks for data: volumes-1")
	c.console.wait(t, quiet, c, "log in: ssh")
	must(t, c.PowerOff(t.Context()))

	operate(t, cairn, l, "lock", "compute1")
	c = disks.powered(t, false, "a", "b", "c")
	c.console.wait(t, quiet, c, "an operator has withdrawn the key")
	operate(t, cairn, l, "unlock", "compute1")
	c.console.wait(t, quiet, c, "is brought up to date now")
	c.console.wait(t, quiet, c, "log in: ssh")
	if key := operate(t, cairn, l, "recovery-key", "compute1"); len(strings.Split(strings.TrimSpace(key), "-")) != 13 {
		t.Errorf("a recovery key of %d characters", len(key))
	}
}

// TestACutInstallationOnThreeDisksIsTakenUp cuts the power when all three have
// something on them, which nobody has allowed to wipe.
func TestACutInstallationOnThreeDisksIsTakenUp(t *testing.T) {
	dir := release(t)
	if !inNamespace(t) {
		return
	}
	s := network(t)
	l := deploy(t, append(consoleArgs(), "--release", dir, "--rack", rackYAML(t, threeDisks))...)
	port, err := s.AddPort(fabric.PortConfig{Name: "machine", Access: managementVLAN})
	must(t, err)
	disks := shelf{t.TempDir(), port}
	c := disks.powered(t, true, "a", "b", "c")
	l.wait(t, quiet, c, "machine enrolled")
	c.cut(t)
	c.console.wait(t, quiet, c, "disks for data: volumes-1")
	c.console.wait(t, quiet, c, "log in: ssh")
	if n := strings.Count(l.String(), "keys kept"); n != 2 && !strings.Contains(l.String(), "phase=handover") {
		t.Errorf("keys were kept %d times, want 2", n)
	}
}

// operate is what an operator does on the laptop.
func operate(t *testing.T, cairn string, l *laptop, args ...string) string {
	t.Helper()
	cmd := exec.Command(cairn, append([]string{"fleet", "--dir", filepath.Join(l.state, "operator")}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cairn fleet %v: %v: %s", args, err, out)
	}
	return string(out)
}

// sealedMirror looks at one half: it boots alone, and its data can't be read.
func sealedMirror(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	st, err := f.Stat()
	must(t, err)
	if c := disk.Look(f, st.Size()); c.Installed == "" || c.Unfinished {
		t.Errorf("%s holds %+v", file, c)
	}
	table, err := disk.ReadTable(f, st.Size())
	must(t, err)
	for _, e := range table.Entries {
		if e.Name != plan.LabelData {
			continue
		}
		part := io.NewSectionReader(f, e.Start, e.Size)
		if _, err := raid.Read(part); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if got := disk.Volume(io.NewSectionReader(part, 1<<20, e.Size-1<<20), e.Size-1<<20); len(got) != 1 || got[0] != "LUKS encrypted volume" {
			t.Errorf("the mirror on %s holds %q", file, got)
		}
	}
}
