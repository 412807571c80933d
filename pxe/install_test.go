package pxe

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cairn-cloud/cairn/qa/built"
)

// realRelease is the directory of a built release; without one the test is
// skipped.
func realRelease(t *testing.T) string {
	t.Helper()
	built.Long(t)
	return filepath.Join(built.Out(t, "release/manifest.json"), "release")
}

// blank is what a machine has to have to become a compute node: memory, a
// second NIC and an empty disk.
func blank(t *testing.T) []string {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "disk")
	must(t, os.WriteFile(disk, nil, 0o600))
	must(t, os.Truncate(disk, 20<<30))
	return []string{"-m", "1536", "-device", "virtio-rng-pci", "-drive", "if=virtio,format=raw,cache=unsafe,file=" + disk,
		"-netdev", "user,id=n1,restrict=on", "-device", "virtio-net-pci,netdev=n1,mac=52:54:00:00:01:01,romfile="}
}

// TestReleaseInstallsAMachine boots the installer of a built release in an
// emulated machine, which installs itself from us and enrols.
func TestReleaseInstallsAMachine(t *testing.T) {
	release := realRelease(t)
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	book, state := startDeployer(t, nil, func(c *Command) {
		c.Release, c.KernelArg = release, []string{"console=ttyS0,115200", "mitigations=off"}
	})
	power(t, br, append(blank(t), "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01")...)
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

// TestReleaseBootsOnUEFI goes as far as firmware matters: the installer runs
// and speaks to us.
func TestReleaseBootsOnUEFI(t *testing.T) {
	release := realRelease(t)
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	book, _ := startDeployer(t, nil, func(c *Command) {
		c.Release, c.KernelArg = release, []string{"console=ttyS0,115200", "mitigations=off"}
	})
	power(t, br, append(blank(t), firmware(t)...)...)
	book.wait(t, quiet, "machine boots", machineID, "firmware=uefi", "told=install")
	book.wait(t, quiet, "machine may be installed", machineID)
}

// TestReleaseBesideAnotherServer has the installer get its address from a DHCP
// server that is not ours, and install.
func TestReleaseBesideAnotherServer(t *testing.T) {
	release := realRelease(t)
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	newStation(t, br, 2).serveAddresses(t)
	book, state := startDeployer(t, nil, func(c *Command) {
		c.Release, c.KernelArg = release, []string{"console=ttyS0,115200", "mitigations=off"}
		c.Rack = rackFile(t, "management: {dhcp: proxy}\n")
	})
	power(t, br, append(blank(t), "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01")...)
	for _, step := range []string{"machine boots", "machine matched", "machine may be installed", "machine enrolled"} {
		book.wait(t, quiet, step, machineID)
	}
	m := operatorList(t, newStation(t, br, 9), state)[0]
	if a := m.Node.Management.Address.String(); a != "10.20.0.100/24" {
		t.Errorf("the node has %s for good, want 10.20.0.100/24", a)
	}
}

// TestReleaseInAVLAN has the installer go on in the VLAN that iPXE went on in.
func TestReleaseInAVLAN(t *testing.T) {
	release := realRelease(t)
	if !inNamespace(t) {
		return
	}
	book, port := taggedRack(t, nil, func(c *Command) {
		c.Release, c.KernelArg = release, []string{"console=ttyS0,115200", "mitigations=off"}
	})
	powerAt(t, port, append(blank(t), "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01")...)
	book.wait(t, quiet, "machine boots", machineID, "told=install")
	book.wait(t, quiet, "DHCP address given", "address=10.20.0.100", "client=installer")
	book.wait(t, quiet, "machine may be installed", machineID)
}
