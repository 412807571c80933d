package netboot

import (
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// TestACutBehindTheEnrolmentIsInstalledAgain cuts the power when the machine
// has its identity and its disk is not complete: the deployer must not send it
// to that disk.
func TestACutBehindTheEnrolmentIsInstalledAgain(t *testing.T) {
	dir := release(t)
	if !inNamespace(t) {
		return
	}
	s := network(t)
	l := deploy(t, append(consoleArgs(), "--release", dir, "--rack", rackYAML(t, "fabric: {check: off}\n"))...)
	c := powered(t, s, setup{firmware: machine.BIOS, memoryMiB: 1024, disk: true})
	l.wait(t, quiet, c, "machine enrolled")
	c.cut(t)
	want := 2
	if strings.Contains(l.String(), "phase=handover") {
		t.Log("the cut came too late: the disk was complete")
		want = 1
	}
	c.console.wait(t, quiet, c, "log in: ssh")
	if n := strings.Count(l.String(), "told=install"); n != want {
		t.Errorf("it was told to install %d times, want %d", n, want)
	}
}

// TestACutOffDiskGivesWayToTheNetwork cuts the power of a machine that tries
// its disk first, when that has a boot loader and no system yet. The disk says
// so once, and from then on leaves the boot to the network.
func TestACutOffDiskGivesWayToTheNetwork(t *testing.T) {
	dir := release(t)
	for _, fw := range []machine.Firmware{machine.BIOS, machine.UEFI} {
		t.Run(string(fw), func(t *testing.T) {
			if !inNamespace(t) {
				return
			}
			s := network(t)
			l := deploy(t, append(consoleArgs(), "--release", dir, "--rack", rackYAML(t, "fabric: {check: off}\n"))...)
			c := powered(t, s, setup{firmware: fw, memoryMiB: 1024, disk: true, diskFirst: true})
			l.wait(t, quiet, c, "phase=configure")
			c.cut(t)
			c.console.wait(t, quiet, c, "was cut off before its end")
			c.console.wait(t, quiet, c, "log in: ssh")
			if n := strings.Count(l.String(), "told=install"); n != 2 {
				t.Errorf("it was told to install %d times, want 2", n)
			}
		})
	}
}
