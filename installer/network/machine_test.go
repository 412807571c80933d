package network

import (
	"bufio"
	"debug/elf"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cairn-cloud/cairn/image-builder/initramfs"
	"github.com/cairn-cloud/cairn/installer/initrd"
)

// TestMain is the tests of the package; and where this program is the first
// process of a machine, those that need a kernel with bonds and VLANs.
func TestMain(m *testing.M) {
	if os.Getpid() != 1 {
		os.Exit(m.Run())
	}
	code, err := inside(m)
	fmt.Println("inside: exit", code, err)
	fmt.Println("inside:", initrd.PowerOff())
}

func inside(m *testing.M) (int, error) {
	if err := initrd.MountKernel(); err != nil {
		return -1, err
	}
	mods, err := initrd.OpenModules(slog.New(slog.DiscardHandler))
	if err != nil {
		return -1, err
	}
	if err := mods.Load("bonding", "8021q"); err != nil {
		return -1, err
	}
	mods.Coldplug("/sys")
	for name, value := range map[string]string{"test.run": "^TestInside", "test.v": "true", "test.timeout": "0"} {
		if err := flag.Set(name, value); err != nil {
			return -1, err
		}
	}
	return m.Run(), nil
}

// insideOnly skips a test that is for the machine.
func insideOnly(t *testing.T) {
	t.Helper()
	if os.Getpid() != 1 {
		t.Skip("runs in the machine of TestInMachine")
	}
}

// TestInMachine runs the tests that are named TestInside in a machine with
// the kernel of the release and two pairs of cards, whose ends are wired to
// each other.
func TestInMachine(t *testing.T) {
	if testing.Short() {
		t.Skip("emulates a machine")
	}
	release, err := filepath.Abs("../../out/release")
	if err != nil {
		t.Fatal(err)
	}
	for _, need := range []string{"vmlinuz", "initramfs"} {
		if _, err := os.Stat(filepath.Join(release, need)); err != nil {
			t.Skipf("%v; make iso builds it", err)
		}
	}
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Skip("qemu-system-x86_64 is not installed")
	}
	args := []string{"-accel", "tcg", "-cpu", "qemu64,+x2apic", "-m", "512", "-nographic", "-nodefaults", "-no-reboot", "-serial", "stdio", "-net", "none",
		"-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
		"-kernel", filepath.Join(release, "vmlinuz"), "-initrd", withProgram(t, filepath.Join(release, "initramfs")),
		"-append", "console=ttyS0 quiet panic=-1 rdinit=/inside mitigations=off cryptomgr.notests nowatchdog audit=0 tsc=reliable no_timer_check"}
	for card := range 4 {
		args = append(args,
			"-netdev", fmt.Sprintf("hubport,id=n%d,hubid=%d", card, card%2),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=n%d,mac=%s,speed=10000,duplex=full,romfile=", card, insideMAC(card)))
	}
	cmd := exec.CommandContext(t.Context(), qemu, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves none behind
	serial, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	good := false
	for lines := bufio.NewScanner(serial); lines.Scan(); {
		t.Logf("%s", lines.Text())
		good = good || strings.Contains(lines.Text(), "inside: exit 0")
	}
	if err := cmd.Wait(); err != nil || !good {
		t.Errorf("the tests inside failed: %v", err)
	}
}

// insideMAC is the address of a card of the machine. Cards 0 and 2 are the
// ends of one cable, 1 and 3 those of the other.
func insideMAC(card int) string { return fmt.Sprintf("52:54:00:00:00:%02x", card) }

// withProgram makes an archive of the release's own and this program.
func withProgram(t *testing.T, release string) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if f, err := elf.Open(program); err != nil || f.Section(".interp") != nil {
		t.Skipf("this test program needs libraries of this host (%v); CGO_ENABLED=0 makes it stand alone", err)
	}
	packed, err := initramfs.Tree{"inside": {Data: read(t, program), Mode: 0o755}}.Pack()
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "initramfs")
	if err := os.WriteFile(to, initramfs.Join(read(t, release), packed), 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
