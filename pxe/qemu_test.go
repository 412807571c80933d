package pxe

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// quiet is how long a machine under test may do nothing that the deployer
// notices. Firmware in emulation on a busy machine takes minutes.
const quiet = 10 * time.Minute

// power switches a machine on that boots from the network, until the test ends.
func power(t *testing.T, br netlink.Link, args ...string) {
	t.Helper()
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Skip("qemu-system-x86_64 is not installed")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("this machine has no /dev/net/tun")
	}
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tap0"}, Mode: netlink.TUNTAP_MODE_TAP}
	must(t, netlink.LinkAdd(tap))
	for _, f := range tap.Fds {
		must(t, f.Close())
	}
	plug(t, br, tap)
	serial := filepath.Join(t.TempDir(), "serial")
	cmd := exec.Command(qemu, append([]string{
		"-accel", "tcg", "-m", "512", "-display", "none", "-nodefaults", "-boot", "n",
		"-uuid", machineID, "-serial", "file:" + serial, "-net", "none",
		"-netdev", "tap,id=n0,ifname=tap0,script=no,downscript=no",
	}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() {
		must(t, cmd.Process.Kill())
		cmd.Wait() // it was killed, and says so
		if b, err := os.ReadFile(serial); err == nil && t.Failed() {
			t.Logf("serial console:\n%s", b)
		}
	})
}

// TestSeaBIOSFetchesTheKernel boots a BIOS machine whose ROM is iPXE.
func TestSeaBIOSFetchesTheKernel(t *testing.T) {
	if testing.Short() {
		t.Skip("emulates a machine")
	}
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	// iPXE itself, in the form of a Linux kernel, is a kernel that is small.
	kernel, err := os.ReadFile("/usr/lib/ipxe/ipxe.lkrn")
	must(t, err)
	book, state := startDeployer(t, kernel, nil)
	power(t, br, "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01")
	book.wait(t, quiet, "machine boots", machineID, "firmware=bios", "told=install")
	book.wait(t, quiet, "release file served", "file=vmlinuz")
	book.wait(t, quiet, "release file served", "file=initramfs")
	if m := operatorList(t, newStation(t, br, 9), state); len(m) != 1 || m[0].ID != machineID {
		t.Errorf("the operator sees %+v, want machine %s alone", m, machineID)
	}
}

// TestOVMFFetchesTheKernel boots a UEFI machine: TFTP of ipxe.efi, then HTTP.
func TestOVMFFetchesTheKernel(t *testing.T) {
	if os.Getenv("CAIRN_LONG") == "" {
		t.Skip("takes minutes in emulation; CAIRN_LONG=1 runs it")
	}
	if !inNamespace(t) {
		return
	}
	const code, vars = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
	store, err := os.ReadFile(vars)
	if err != nil {
		t.Skip("OVMF is not installed: ", err)
	}
	own := filepath.Join(t.TempDir(), "vars.fd")
	must(t, os.WriteFile(own, store, 0o600))
	br := wire(t)
	kernel, err := os.ReadFile("/usr/lib/ipxe/ipxe.efi")
	must(t, err)
	book, _ := startDeployer(t, kernel, nil)
	power(t, br, "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01,romfile=",
		"-drive", "if=pflash,format=raw,readonly=on,file="+code, "-drive", "if=pflash,format=raw,file="+own)
	book.wait(t, quiet, "machine seen", "client=uefi")
	book.wait(t, quiet, "TFTP file sent", "file=ipxe.efi")
	book.wait(t, quiet, "machine boots", machineID, "firmware=uefi", "told=install")
	book.wait(t, quiet, "release file served", "file=vmlinuz")
	book.wait(t, quiet, "release file served", "file=initramfs")
}
