package pxe

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/cairn-cloud/cairn/pxe/tftp"
	"github.com/cairn-cloud/cairn/qa/built"
)

// quiet is how long a machine under test may do nothing that the deployer
// notices. Firmware in emulation on a busy machine takes minutes.
const quiet = 10 * time.Minute

// power switches a machine on that boots from the network, until the test
// ends. It returns the file that its serial console goes to.
func power(t *testing.T, br netlink.Link, args ...string) string {
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
	return serial
}

// printed waits until the machine's disk has said on the serial console that
// it boots. It gives up when neither machine nor deployer does anything.
func printed(t *testing.T, serial string, book *logbook, words string) {
	t.Helper()
	last, size := time.Now(), 0
	for {
		b, err := os.ReadFile(serial)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(words)) {
			return
		}
		if now := len(b) + len(book.String()); now != size {
			last, size = time.Now(), now
		}
		if time.Since(last) > quiet {
			t.Fatalf("nothing happened for %s; waiting for %q on the console", quiet, words)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// onDisk is what the disks of the tests below print.
const onDisk = "CAIRN BOOTS FROM DISK"

// bootSector is a master boot record that prints onDisk to the first serial
// port (int 14h, function 1) and halts.
func bootSector() []byte {
	code := []byte{
		0x31, 0xc0, 0x8e, 0xd8, // xor ax,ax; mov ds,ax
		0xbe, 0x18, 0x7c, // mov si,0x7c18
		0xac,       // next: lodsb
		0x84, 0xc0, // test al,al
		0x74, 0x08, // jz halt
		0xb4, 0x01, // mov ah,1
		0x31, 0xd2, // xor dx,dx
		0xcd, 0x14, // int 14h
		0xeb, 0xf3, // jmp next
		0xf4, 0xeb, 0xfd, // halt: hlt; jmp halt
		0x90,
	}
	sector := make([]byte, 512)
	copy(sector, code)
	copy(sector[len(code):], onDisk+"\x00")
	sector[510], sector[511] = 0x55, 0xaa
	return sector
}

// installed makes the deployer believe, by the book, that the machine that
// will be switched on is installed.
func installed(t *testing.T, br netlink.Link) {
	t.Helper()
	s := newStation(t, br, 1)
	s.install(t)
	port, err := netlink.LinkByName("port1")
	must(t, err)
	must(t, netlink.LinkDel(port))
}

// TestInstalledBIOSMachineBootsItsDisk boots one from the network.
func TestInstalledBIOSMachineBootsItsDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("emulates a machine")
	}
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	book, _ := startDeployer(t, []byte("kernel"), nil)
	installed(t, br)
	disk := filepath.Join(t.TempDir(), "disk")
	must(t, os.WriteFile(disk, append(bootSector(), make([]byte, 1<<20)...), 0o600))
	serial := power(t, br, "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01",
		"-drive", "if=virtio,format=raw,file="+disk)
	book.wait(t, quiet, "machine boots", machineID, "firmware=bios", "told=disk")
	printed(t, serial, book, onDisk)
}

// TestInstalledUEFIMachineBootsItsDisk does the same where the firmware has to
// go on to its next boot option.
func TestInstalledUEFIMachineBootsItsDisk(t *testing.T) {
	built.Long(t)
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	book, _ := startDeployer(t, []byte("kernel"), nil)
	installed(t, br)
	esp := filepath.Join(t.TempDir(), "EFI", "BOOT")
	must(t, os.MkdirAll(esp, 0o700))
	must(t, os.WriteFile(filepath.Join(esp, "BOOTX64.EFI"), efiProgram(t), 0o600))
	serial := power(t, br, append(firmware(t), "-device", "virtio-blk-pci,drive=d0,bootindex=2",
		"-drive", "if=none,id=d0,format=raw,file=fat:rw:"+filepath.Dir(filepath.Dir(esp)))...)
	book.wait(t, quiet, "TFTP file sent", "file=boot-disk.efi")
	printed(t, serial, book, onDisk)
}

// efiProgram prints onDisk to the first serial port and halts. It is the
// program that makes firmware go on, with other code in it.
func efiProgram(t *testing.T) []byte {
	t.Helper()
	s, err := tftp.Open(tftp.Config{})
	must(t, err)
	b, _ := s.File(tftp.NextName)
	code := []byte{
		0x48, 0x8d, 0x35, 0x0f, 0, 0, 0, // lea rsi,[text]
		0x66, 0xba, 0xf8, 0x03, // mov dx,3f8h
		0xac,       // next: lodsb
		0x84, 0xc0, // test al,al
		0x74, 0x03, // jz halt
		0xee,       // out dx,al
		0xeb, 0xf8, // jmp next
		0xf4, 0xeb, 0xfd, // halt: hlt; jmp halt
	}
	b = bytes.Clone(b)
	copy(b[len(b)/2:], append(code, onDisk+"\x00"...))
	return b
}

// firmware is OVMF, and a NIC that leaves network booting to it.
func firmware(t *testing.T) []string {
	t.Helper()
	const code, vars = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
	store, err := os.ReadFile(vars)
	if err != nil {
		t.Skip("OVMF is not installed: ", err)
	}
	own := filepath.Join(t.TempDir(), "vars.fd")
	must(t, os.WriteFile(own, store, 0o600))
	return []string{"-device", "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01,romfile=,bootindex=1",
		"-drive", "if=pflash,format=raw,readonly=on,file=" + code, "-drive", "if=pflash,format=raw,file=" + own}
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
	built.Long(t)
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	kernel, err := os.ReadFile("/usr/lib/ipxe/ipxe.efi")
	must(t, err)
	book, _ := startDeployer(t, kernel, nil)
	power(t, br, firmware(t)...)
	book.wait(t, quiet, "machine seen", "client=uefi")
	book.wait(t, quiet, "TFTP file sent", "file=ipxe.efi")
	book.wait(t, quiet, "machine boots", machineID, "firmware=uefi", "told=install")
	book.wait(t, quiet, "release file served", "file=vmlinuz")
	book.wait(t, quiet, "release file served", "file=initramfs")
}
