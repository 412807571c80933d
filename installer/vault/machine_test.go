package vault

import (
	"bufio"
	"bytes"
	"debug/elf"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/image-builder/initramfs"
	"github.com/cairn-cloud/cairn/image-builder/recipe"
	"github.com/cairn-cloud/cairn/installer/initrd"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// runWord on the kernel line says which test runs inside the machine.
const runWord = "cairn.run="

// TestMain is the tests of the package; and where this program is the first
// process of a machine, the one that its kernel line names.
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
	modules, err := filepath.Glob("/modules/*")
	if err != nil {
		return -1, err
	}
	slices.Sort(modules)
	for _, file := range modules {
		f, err := os.Open(file)
		if err != nil {
			return -1, err
		}
		if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil {
			fmt.Println("inside:", file, err) // a processor may lack what it is for
		}
		if err := f.Close(); err != nil {
			return -1, err
		}
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return -1, err
	}
	_, run, _ := strings.Cut(string(line), runWord)
	run, _, _ = strings.Cut(strings.TrimSpace(run), " ")
	for name, value := range map[string]string{"test.run": "^" + run + "$", "test.v": "true", "test.timeout": "0"} {
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

// partition is the disk of the machine; secret is what is written to it.
const (
	partition = "/dev/vda"
	secret    = "what nobody else may read. "
)

func TestInsideMake(t *testing.T) {
	insideOnly(t)
	if err := Check(plan.Plan{Encrypt: plan.CryptTPM}, false); err != nil {
		t.Fatal(err)
	}
	m, err := Make(t.Context(), New{Parts: []string{partition}, Encrypt: plan.CryptTPM})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(m.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte(secret), 10_000), 1<<20); err != nil {
		t.Error(err)
	}
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestInsideOpen(t *testing.T) {
	insideOnly(t)
	m, err := Open(t.Context(), []string{partition}, nobody)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10*len(secret))
	f, err := os.Open(m.Path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(b, 1<<20); err != nil || string(b) != strings.Repeat(secret, 10) {
		t.Errorf("it holds %q, %v", b, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	_, err = Open(t.Context(), []string{partition}, nobody)
	if err == nil || !strings.Contains(err.Error(), "stays closed: TPM: the TPM gives no keys any more") {
		t.Errorf("the system could have the key too: got %v", err)
	}
}

func TestInsideForeign(t *testing.T) {
	insideOnly(t)
	if _, err := Open(t.Context(), []string{partition}, nobody); err == nil || !strings.Contains(err.Error(), "the disk is of another machine") {
		t.Errorf("with another TPM: got %v", err)
	}
}

// TestInMachine makes an encrypted disk in a machine with the kernel of the
// release and a TPM, opens it there after a restart, and in another one.
func TestInMachine(t *testing.T) {
	c := machine(t)
	mine, other := t.TempDir(), t.TempDir()
	c.run(t, mine, "TestInsideMake")
	raw, err := os.ReadFile(c.disks[0])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(raw, []byte("LUKS\xba\xbe")) || bytes.Contains(raw, []byte(secret)) {
		t.Error("the disk can be read without its key")
	}
	c.run(t, mine, "TestInsideOpen")
	c.run(t, mine, "TestInsideOpen")
	c.run(t, other, "TestInsideForeign")
	c.run(t, other, "TestInsideRelease")
}

// machine is one with two blank disks.
func machine(t *testing.T) computer {
	t.Helper()
	if testing.Short() {
		t.Skip("emulates a machine")
	}
	for _, tool := range []string{"qemu-system-x86_64", "swtpm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	c := computer{initrd: archive(t), disks: []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")}, kernel: "../../out/release/vmlinuz"}
	if _, err := os.Stat(c.kernel); err != nil {
		t.Skipf("%v; make iso builds it", err)
	}
	for _, d := range c.disks {
		if err := os.WriteFile(d, make([]byte, 64<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// TestMirrorInMachine makes an encrypted mirror and a further disk, and takes
// a disk out of it.
func TestMirrorInMachine(t *testing.T) {
	c := machine(t)
	third := filepath.Join(t.TempDir(), "c")
	if err := os.WriteFile(third, make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	chip := t.TempDir()
	one, two := c.disks[0], c.disks[1]
	with := func(disks ...string) computer {
		c.disks = disks
		return c
	}
	with(one, two, third).run(t, chip, "TestInsideMirrorMake")
	with(one, two, third).run(t, chip, "TestInsideMirrorWhole")
	with(two, third).run(t, chip, "TestInsideMirrorAlone")
	with(one, two).run(t, chip, "TestInsideMirrorStale")
	with(one).run(t, chip, "TestInsideMirrorAgain")
	with(two).run(t, chip, "TestInsideMirrorAgain")
	with(one, two).run(t, chip, "TestInsideMirrorApart")
}

// A computer is the machine without its TPM.
type computer struct {
	kernel, initrd string
	disks          []string
}

// run powers the machine on with the TPM whose memory is in dir, for one test.
func (c computer) run(t *testing.T, dir, test string) {
	t.Helper()
	socket := filepath.Join(dir, "control")
	chip := exec.CommandContext(t.Context(), "swtpm", "socket", "--tpm2", "--tpmstate", "dir="+dir, "--ctrl", "type=unixio,path="+socket, "--terminate")
	chip.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves none behind
	if err := chip.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = chip.Wait() }() // it ends with its machine
	for !isThere(socket) {
		time.Sleep(20 * time.Millisecond)
		if t.Context().Err() != nil {
			t.Fatal("swtpm does not start")
		}
	}
	args := []string{"-accel", "tcg", "-cpu", "max", "-m", "512", "-nographic", "-nodefaults", "-no-reboot",
		"-serial", "stdio", "-net", "none", "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
		"-chardev", "socket,id=tpm,path=" + socket, "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0",
		"-kernel", c.kernel, "-initrd", c.initrd,
		"-append", "console=ttyS0 quiet panic=-1 rdinit=/inside mitigations=off cryptomgr.notests nowatchdog audit=0 tsc=reliable no_timer_check " + runWord + test}
	for _, d := range c.disks {
		args = append(args, "-drive", "if=virtio,format=raw,file="+d)
	}
	cmd := exec.CommandContext(t.Context(), "qemu-system-x86_64", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
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
		good = good || strings.Contains(lines.Text(), "--- PASS: "+test)
	}
	if err := cmd.Wait(); err != nil || !good {
		t.Fatalf("%s failed: %v", test, err)
	}
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// archive is an initramfs of this program and the modules that it loads.
func archive(t *testing.T) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if f, err := elf.Open(program); err != nil || f.Section(".interp") != nil {
		t.Skipf("this test program needs libraries of this host (%v); CGO_ENABLED=0 makes it stand alone", err)
	}
	found, err := filepath.Glob("../../out/cache/tree/usr/lib/modules/*")
	if err != nil || len(found) != 1 {
		t.Skipf("found %d kernels (%v); make iso builds one", len(found), err)
	}
	var want []recipe.Driver
	for _, name := range []string{"virtio_pci", "virtio_blk", "virtio_rng", "dm-mod", "dm-crypt", "xts", "aesni-intel", "raid1"} {
		want = append(want, recipe.Driver{Module: name})
	}
	files, err := initramfs.LoadOrder(found[0], want)
	if err != nil {
		t.Fatal(err)
	}
	tree := initramfs.Tree{"inside": {Data: read(t, program), Mode: 0o755}}
	for i, f := range files {
		raw, err := initramfs.ReadModule(filepath.Join(found[0], f))
		if err != nil {
			t.Fatal(err)
		}
		tree[fmt.Sprintf("modules/%03d", i)] = initramfs.Entry{Data: raw, Mode: 0o644}
	}
	packed, err := tree.Pack()
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "initramfs")
	if err := os.WriteFile(to, packed, 0o600); err != nil {
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
