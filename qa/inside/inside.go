// Package inside runs tests of a package as the first process of a machine,
// for what the kernel of a build host may lack: VLANs, bonds, bridges that
// filter, device mapper, a TPM.
//
// A package calls [Main] in its TestMain, names the tests that are for the
// machine TestInside..., begins them with [Only], and has an ordinary test
// that says what [Machine] it wants and runs it. The machine has the kernel and
// the drivers of the release in out/release. The package imports
// installer/initrd, image-builder/initramfs and qa/built of ours; only tests import it.
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
	"time"

	"github.com/cairn-cloud/cairn/image-builder/initramfs"
	"github.com/cairn-cloud/cairn/installer/initrd"
	"github.com/cairn-cloud/cairn/qa/built"
)

// What the machine prints when all went well, and for each test that did.
const (
	done   = "inside: exit 0"
	passed = "--- PASS: "
)

// runWord on the kernel line says which tests run, as -run of go test does.
const runWord = "inside.run="

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
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return -1, err
	}
	_, run, _ := strings.Cut(string(line), runWord)
	for name, value := range map[string]string{"test.run": strings.TrimSpace(run), "test.v": "true", "test.timeout": "0"} {
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

// A Machine is what the tests run in.
type Machine struct {
	Cables int      // each between two cards
	Disks  []string // raw images, which become /dev/vda and so on
	TPM    string   // directory where a TPM 2.0 keeps its memory; "" is none
}

// Run powers the machine on for the tests that match, by default all that are
// for a machine; one of them at least has to run, and none may fail.
func (m Machine) Run(t *testing.T, tests string) {
	t.Helper()
	if testing.Short() {
		t.Skip("emulates a machine")
	}
	release := filepath.Join(built.Out(t, "release/vmlinuz", "release/initramfs"), "release")
	built.Tools(t, "qemu-system-x86_64")
	if tests == "" {
		tests = "^TestInside"
	}
	args := []string{"-accel", "tcg", "-cpu", "max", "-m", "512", "-nographic", "-nodefaults", "-no-reboot", "-serial", "stdio", "-net", "none",
		"-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
		"-kernel", filepath.Join(release, "vmlinuz"), "-initrd", withProgram(t, filepath.Join(release, "initramfs")),
		"-append", "console=ttyS0 quiet panic=-1 rdinit=/inside mitigations=off cryptomgr.notests nowatchdog audit=0 tsc=reliable no_timer_check " + runWord + tests}
	for card := range 2 * m.Cables {
		// With a speed, LACP takes a card for one that it may use.
		args = append(args, "-netdev", fmt.Sprintf("hubport,id=n%d,hubid=%d", card, card%m.Cables),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=n%d,mac=%s,speed=10000,duplex=full,romfile=", card, MAC(card)))
	}
	for _, d := range m.Disks {
		args = append(args, "-drive", "if=virtio,format=raw,file="+d)
	}
	if m.TPM != "" {
		args = append(args, "-chardev", "socket,id=tpm,path="+chip(t, m.TPM), "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0")
	}
	watch(t, command(t, "qemu-system-x86_64", args...))
}

// command is one that a test which is killed does not leave behind.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// chip starts a TPM and returns its socket; it ends with its machine.
func chip(t *testing.T, dir string) string {
	t.Helper()
	built.Tools(t, "swtpm")
	socket := filepath.Join(dir, "control")
	cmd := command(t, "swtpm", "socket", "--tpm2", "--tpmstate", "dir="+dir, "--ctrl", "type=unixio,path="+socket, "--terminate")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the chip
	for {
		if _, err := os.Stat(socket); err == nil {
			return socket
		}
		select {
		case err := <-ended:
			t.Fatal("swtpm: ", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
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
	good, ran := false, false
	for lines := bufio.NewScanner(serial); lines.Scan(); {
		t.Logf("%s", lines.Text())
		good = good || strings.Contains(lines.Text(), done)
		ran = ran || strings.HasPrefix(lines.Text(), passed)
	}
	if err := cmd.Wait(); err != nil || !good || !ran {
		t.Fatalf("the tests inside failed, or there are none: %v", err)
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
