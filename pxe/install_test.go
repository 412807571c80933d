package pxe

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReleaseInstallsAMachine boots the installer of a built release in an
// emulated machine, which installs itself from us and enrols.
func TestReleaseInstallsAMachine(t *testing.T) {
	release := os.Getenv("CAIRN_RELEASE")
	if os.Getenv("CAIRN_LONG") == "" || release == "" {
		t.Skip("installs a machine in emulation; CAIRN_LONG=1 CAIRN_RELEASE=<directory of a release> runs it")
	}
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	book, state := startDeployer(t, nil, func(c *Command) {
		c.Release, c.KernelArg = release, []string{"console=ttyS0,115200", "mitigations=off"}
	})
	disk := filepath.Join(t.TempDir(), "disk")
	must(t, os.WriteFile(disk, nil, 0o600))
	must(t, os.Truncate(disk, 20<<30))
	power(t, br, "-m", "1536", "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01",
		"-netdev", "user,id=n1,restrict=on", "-device", "virtio-net-pci,netdev=n1,mac=52:54:00:00:01:01,romfile=",
		"-device", "virtio-rng-pci", "-drive", "if=virtio,format=raw,cache=unsafe,file="+disk)
	for _, step := range []string{"machine boots", "machine inventoried", "machine matched", "machine may be installed", "installation", "machine enrolled"} {
		book.wait(t, quiet, step, machineID)
	}
	s := newStation(t, br, 9)
	for _, m := range operatorList(t, s, state) {
		for _, e := range m.History {
			t.Logf("%s %s %s", e.At.Format("15:04:05"), e.What, e.Why)
		}
	}
}
