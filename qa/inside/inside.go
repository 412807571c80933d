// Package inside runs tests of a package as the first process of a machine,
// for what the kernel of a build host may lack: VLANs, bonds, bridges that
// filter.
//
// A package calls [Main] in its TestMain, names the tests that are for the
// machine TestInside..., begins them with [Only], and has one ordinary test
// that calls [Run]. The machine has the kernel and the drivers of the release
// in out/release, and cards that are wired to each other. The package imports
// installer/initrd and image-builder/initramfs of ours; only tests import it.
package inside

import (
	"bufio"
	"debug/elf"
	"flag"
	"fmt"
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

// done is what the machine prints when all went well.
const done = "inside: exit 0"

// Main runs the tests of a package, and in the machine those that are for it,
// with these drivers. It does not return.
func Main(m *testing.M, drivers ...string) {
	if os.Getpid() != 1 {
		os.Exit(m.Run())
	}
	code, err := first(m, drivers)
	fmt.Println("inside: exit", code, err)
	fmt.Println("inside:", initrd.PowerOff())
}

func first(m *testing.M, drivers []string) (int, error) {
	if err := initrd.MountKernel(); err != nil {
		return -1, err
	}
	modules, err := initrd.OpenModules(slog.New(slog.DiscardHandler))
	if err != nil {
		return -1, err
	}
	if err := modules.Load(drivers...); err != nil {
		return -1, err
	}
	modules.Coldplug("/sys")
	for name, value := range map[string]string{"test.run": "^TestInside", "test.v": "true", "test.timeout": "0"} {
		if err := flag.Set(name, value); err != nil {
			return -1, err
		}
	}
	return m.Run(), nil
}

// Only skips a test that is for the machine.
func Only(t testing.TB) {
	t.Helper()
	if os.Getpid() != 1 {
		t.Skip("runs in a machine; another test starts it")
	}
}

// MAC is the address of one of the machine's cards, from 0. With 2n cards, n
// is at the other end of the cable of 0, n+1 at that of 1, and so on.
func MAC(card int) string { return fmt.Sprintf("52:54:00:00:00:%02x", card) }

// Run runs the tests in a machine with that many cables between two cards
// each.
func Run(t *testing.T, cables int) {
	t.Helper()
	if testing.Short() {
		t.Skip("emulates a machine")
	}
	release := released(t)
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Skip("qemu-system-x86_64 is not installed")
	}
	args := []string{"-accel", "tcg", "-cpu", "qemu64,+x2apic", "-m", "512", "-nographic", "-nodefaults", "-no-reboot", "-serial", "stdio", "-net", "none",
		"-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
		"-kernel", filepath.Join(release, "vmlinuz"), "-initrd", withProgram(t, filepath.Join(release, "initramfs")),
		"-append", "console=ttyS0 quiet panic=-1 rdinit=/inside mitigations=off cryptomgr.notests nowatchdog audit=0 tsc=reliable no_timer_check"}
	for card := range 2 * cables {
		// With a speed, LACP takes a card for one that it may use.
		args = append(args, "-netdev", fmt.Sprintf("hubport,id=n%d,hubid=%d", card, card%cables),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=n%d,mac=%s,speed=10000,duplex=full,romfile=", card, MAC(card)))
	}
	cmd := exec.CommandContext(t.Context(), qemu, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves none behind
	watch(t, cmd)
}

// released is the directory of the release.
func released(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	release := filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "out", "release")
	for _, need := range []string{"vmlinuz", "initramfs"} {
		if _, err := os.Stat(filepath.Join(release, need)); err != nil {
			t.Skipf("%v; make iso builds it", err)
		}
	}
	return release
}

// watch logs what the machine prints, and fails the test where its tests did.
func watch(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
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
		good = good || strings.Contains(lines.Text(), done)
	}
	if err := cmd.Wait(); err != nil || !good {
		t.Errorf("the tests inside failed: %v", err)
	}
}

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
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
