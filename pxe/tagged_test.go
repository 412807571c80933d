package pxe

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/hardening"
	"github.com/cairn-cloud/cairn/qa/built"
	"github.com/cairn-cloud/cairn/qa/lab/fabric"
)

// loadersWithVLANs is a directory of iPXE that can make VLANs: that of the
// image, since the one of this host may be too old.
func loadersWithVLANs(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../out/cache/debian/usr/lib/ipxe")
	must(t, err)
	if _, err := os.Stat(filepath.Join(dir, "undionly.kpxe")); err != nil {
		t.Skipf("%v; make iso fetches it", err)
	}
	return dir
}

// tapPort makes an interface of this namespace whose other end is in a port
// of the switch. This kernel may know no tags: the switch takes them off.
func tapPort(t *testing.T, name, address string, port *fabric.Port) {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skip("this machine has no /dev/net/tun: ", err)
	}
	ifr, err := unix.NewIfreq(name)
	must(t, err)
	ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	must(t, unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr))
	tap := os.NewFile(uintptr(fd), name)
	addr, err := netlink.ParseAddr(address)
	must(t, err)
	must(t, netlink.AddrAdd(up(t, name), addr))
	ours, theirs, err := fabric.Pair()
	must(t, err)
	far, err := net.FileConn(theirs)
	must(t, err)
	theirs.Close()
	go port.Attach(ours) // these end when both are closed
	go toSwitch(tap, far)
	go fromSwitch(far, tap)
	t.Cleanup(func() { far.Close(); tap.Close() })
}

func toSwitch(tap io.Reader, to io.Writer) {
	buf := make([]byte, 4+65536)
	for {
		n, err := tap.Read(buf[4:])
		if err != nil {
			return
		}
		binary.BigEndian.PutUint32(buf, uint32(n))
		if _, err := to.Write(buf[:4+n]); err != nil {
			return
		}
	}
}

func fromSwitch(from io.Reader, tap io.Writer) {
	buf := make([]byte, 65536)
	for {
		if _, err := io.ReadFull(from, buf[:4]); err != nil {
			return
		}
		frame := buf[:min(binary.BigEndian.Uint32(buf), 65536)]
		if _, err := io.ReadFull(from, frame); err != nil {
			return
		}
		if _, err := tap.Write(frame); err != nil && !errors.Is(err, unix.EIO) { // EIO: the interface is down
			return
		}
	}
}

// taggedRack is a switch whose ports have the management network as VLAN 20
// and firmware's network untagged, the deployer on it, and a machine's port.
func taggedRack(t *testing.T, kernel []byte, change func(*Command)) (*logbook, *fabric.Port) {
	t.Helper()
	dir := loadersWithVLANs(t)
	up(t, "lo")
	sw := fabric.New("tor-1")
	port := func(c fabric.PortConfig) *fabric.Port {
		p, err := sw.AddPort(c)
		must(t, err)
		return p
	}
	tapPort(t, "mgmt0", "10.20.0.11/24", port(fabric.PortConfig{Name: "deployer tagged", Access: 20}))
	tapPort(t, "port0", hardening.BootAddress, port(fabric.PortConfig{Name: "deployer", Access: 1}))
	if kernel == nil {
		raw, err := os.ReadFile(filepath.Join(dir, "ipxe.lkrn"))
		must(t, err)
		kernel = raw
	}
	book, _ := startDeployer(t, kernel, func(c *Command) {
		c.Rack, c.Interface, c.Loaders = rackFile(t, "management: {vlan: 20}\n"), "mgmt0", dir
		if change != nil {
			change(c)
		}
	})
	book.wait(t, quiet, "firmware without tags boots here", "interface=port0", "goes_on_in_vlan=20")
	return book, port(fabric.PortConfig{Name: "machine", Native: 1, Trunk: []int{20}})
}

// powerAt switches a machine on whose card is in a port of a switch.
func powerAt(t *testing.T, port *fabric.Port, args ...string) {
	t.Helper()
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Skip("qemu-system-x86_64 is not installed")
	}
	ours, theirs, err := fabric.Pair()
	must(t, err)
	go port.Attach(ours) // ends with the machine
	serial := filepath.Join(t.TempDir(), "serial")
	cmd := exec.Command(qemu, append([]string{
		"-accel", "tcg", "-m", "512", "-display", "none", "-nodefaults", "-boot", "n",
		"-uuid", machineID, "-serial", "file:" + serial, "-net", "none",
		"-netdev", "stream,id=n0,server=off,addr.type=fd,addr.str=3",
	}, args...)...)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
	must(t, cmd.Start())
	theirs.Close()
	t.Cleanup(func() {
		must(t, cmd.Process.Kill())
		cmd.Wait() // it was killed, and says so
		if b, err := os.ReadFile(serial); err == nil && t.Failed() {
			t.Logf("serial console:\n%s", b)
		}
	})
}

// TestSeaBIOSGoesOnInAVLAN boots a BIOS machine, whose firmware knows no tags,
// in a rack whose management network has one.
func TestSeaBIOSGoesOnInAVLAN(t *testing.T) {
	if testing.Short() {
		t.Skip("emulates a machine")
	}
	if !inNamespace(t) {
		return
	}
	book, port := taggedRack(t, nil, nil)
	powerAt(t, port, "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01")
	book.wait(t, quiet, "machine seen", "address=169.254.67.10")
	book.wait(t, quiet, "TFTP file sent", "file=undionly.kpxe", "client=169.254.67.10")
	book.wait(t, quiet, "DHCP address given", "address=10.20.0.100", "client=ipxe")
	book.wait(t, quiet, "machine boots", machineID, "firmware=bios", "told=install")
	book.wait(t, quiet, "release file served", "file=vmlinuz", "client=10.20.0.100")
	book.wait(t, quiet, "release file served", "file=initramfs")
}

// TestOVMFGoesOnInAVLAN does the same with UEFI.
func TestOVMFGoesOnInAVLAN(t *testing.T) {
	built.Long(t)
	if !inNamespace(t) {
		return
	}
	book, port := taggedRack(t, nil, nil)
	powerAt(t, port, firmware(t)...)
	book.wait(t, quiet, "TFTP file sent", "file=ipxe.efi", "client=169.254.67.10")
	book.wait(t, quiet, "machine boots", machineID, "firmware=uefi", "told=install")
	book.wait(t, quiet, "release file served", "file=vmlinuz", "client=10.20.0.100")
}
