package pxe

import (
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/cairn-cloud/cairn/qa/built"
)

// besideAnother starts another server, and us beside it.
func besideAnother(t *testing.T, kernel string) (*logbook, *station) {
	t.Helper()
	br := wire(t)
	other := newStation(t, br, 2)
	other.serveAddresses(t)
	raw, err := os.ReadFile(kernel)
	must(t, err)
	book, _ := startDeployer(t, raw, func(c *Command) { c.Rack = rackFile(t, "management: {dhcp: proxy}\n") })
	return book, other
}

// TestSeaBIOSBesideAnotherServer boots a BIOS machine whose address is of
// another server.
func TestSeaBIOSBesideAnotherServer(t *testing.T) {
	if testing.Short() {
		t.Skip("emulates a machine")
	}
	if !inNamespace(t) {
		return
	}
	book, _ := besideAnother(t, "/usr/lib/ipxe/ipxe.lkrn")
	power(t, bridge(t), "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01")
	book.wait(t, quiet, "machine boots", machineID, "firmware=bios", "told=install")
	book.wait(t, quiet, "release file served", "file=vmlinuz", "client=10.20.0.5")
	book.wait(t, quiet, "release file served", "file=initramfs")
}

// TestOVMFBesideAnotherServer does it with firmware that asks boot servers.
func TestOVMFBesideAnotherServer(t *testing.T) {
	built.Long(t)
	if !inNamespace(t) {
		return
	}
	book, _ := besideAnother(t, "/usr/lib/ipxe/ipxe.efi")
	power(t, bridge(t), firmware(t)...)
	book.wait(t, quiet, "machine seen", "client=uefi")
	book.wait(t, quiet, "TFTP file sent", "file=ipxe.efi", "client=10.20.0.5")
	book.wait(t, quiet, "machine boots", machineID, "firmware=uefi", "told=install")
	book.wait(t, quiet, "release file served", "file=initramfs")
}

// TestOVMFBootsOverHTTP boots UEFI firmware that has its loader over HTTP, with
// addresses of ours and beside another server.
func TestOVMFBootsOverHTTP(t *testing.T) {
	built.Long(t)
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	kernel, err := os.ReadFile("/usr/lib/ipxe/ipxe.efi")
	must(t, err)
	book, _ := startDeployer(t, kernel, nil)
	overHTTP(t, br, book)
}

func TestOVMFBootsOverHTTPBesideAnotherServer(t *testing.T) {
	built.Long(t)
	if !inNamespace(t) {
		return
	}
	book, _ := besideAnother(t, "/usr/lib/ipxe/ipxe.efi")
	overHTTP(t, bridge(t), book)
}

// overHTTP boots a machine whose firmware offers HTTP alone.
func overHTTP(t *testing.T, br netlink.Link, book *logbook) {
	t.Helper()
	power(t, br, append(firmware(t), "-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n",
		"-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n")...)
	book.wait(t, quiet, "machine seen", "client=uefi-http")
	book.wait(t, quiet, "machine boots", machineID, "firmware=uefi", "told=install")
	book.wait(t, quiet, "release file served", "file=initramfs")
	if strings.Contains(book.String(), "TFTP file sent") {
		t.Error("the firmware used TFTP")
	}
}
