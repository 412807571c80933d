package installer

import (
	"context"
	"debug/elf"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/image-builder/initramfs"
	lab "github.com/cairn-cloud/cairn/qa/lab/machine"
)

// outVar names another directory than ../out for what was built.
const outVar = "CAIRN_OUT"

// BenchmarkWriteInMachine compares the installer's write with dd of the same
// bytes from the same place to the same disk, in a machine of the lab: 2
// processors, 2 GiB, the kernel and the drivers of the release, and this test
// program as the first process ([insideMachine] is what that does).
//
// For every place it reports MB/s of dd (the faster of direct and buffered),
// MB/s of the installer, and the second in percent of the first; verify is the
// check of what is on the disk. Each is the best of several rounds, since what
// else the host does can only make it slower.
func BenchmarkWriteInMachine(b *testing.B) {
	out := built(b, "release/vmlinuz", "release/initramfs", "release/root.img", "cairn.iso")
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		b.Skip("qemu-system-x86_64 is not installed; it is the machine that is measured")
	}
	dir := b.TempDir()
	spec := lab.Spec{
		Name: "write", Dir: filepath.Join(dir, "machine"), CPUs: 2, MemoryMiB: 2048, Firmware: lab.BIOS,
		Kernel: filepath.Join(out, "release/vmlinuz"), Initrd: trialInitramfs(b, filepath.Join(out, "release/initramfs"), dir),
		Append: "console=ttyS0 quiet panic=-1 rdinit=/trial mitigations=off cryptomgr.notests nowatchdog audit=0 tsc=reliable no_timer_check",
		Disks:  []lab.Disk{{File: "disk", SizeGiB: 20, Serial: "TARGET"}},
		CDROMs: []lab.CDROM{{File: filepath.Join(out, "cairn.iso")}},
		NICs:   []lab.NIC{{MAC: trialMAC, User: &lab.User{}}},
	}
	for b.Loop() {
		best := inMachine(b, spec, filepath.Join(out, "release"))
		for _, place := range places {
			dd := max(best[place+" dd-direct"], best[place+" dd-buffered"])
			b.ReportMetric(dd, place+"-dd-MB/s")
			b.ReportMetric(best[place+" installer"], place+"-MB/s")
			b.ReportMetric(100*best[place+" installer"]/dd, place+"-%-of-dd")
		}
		b.ReportMetric(best["disk verify"], "verify-MB/s")
	}
	b.ReportMetric(0, "ns/op") // most of it is the machine's boot
}

// built is the directory of what make has built.
func built(b *testing.B, needs ...string) string {
	b.Helper()
	dir := "../out"
	if d := os.Getenv(outVar); d != "" {
		dir = d
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range needs {
		if _, err := os.Stat(filepath.Join(dir, f)); err != nil {
			b.Skipf("%v; make iso builds it", err)
		}
	}
	return dir
}

// trialInitramfs makes an archive of the release's own, dd with its libraries,
// and this program.
func trialInitramfs(b *testing.B, release, dir string) string {
	b.Helper()
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	if f, err := elf.Open(program); err != nil || f.Section(".interp") != nil {
		b.Skipf("this test program needs libraries of this host (%v); CGO_ENABLED=0 makes it stand alone", err)
	}
	dd, err := exec.LookPath("dd")
	if err != nil {
		b.Skip("dd is not installed; it is what is compared with")
	}
	libraries, err := exec.Command("ldd", dd).Output()
	if err != nil {
		b.Fatal(err)
	}
	content := initramfs.Tree{"trial": executable(b, program), "bin/dd": executable(b, dd)}
	for _, lib := range regexp.MustCompile(`/\S+`).FindAllString(string(libraries), -1) {
		content[strings.TrimPrefix(lib, "/")] = executable(b, lib)
	}
	packed, err := content.Pack()
	if err != nil {
		b.Fatal(err)
	}
	to := filepath.Join(dir, "initramfs")
	if err := os.WriteFile(to, initramfs.Join(executable(b, release).Data, packed), 0o600); err != nil {
		b.Fatal(err)
	}
	return to
}

func executable(b *testing.B, file string) initramfs.Entry {
	b.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	return initramfs.Entry{Data: raw, Mode: 0o755}
}

// inMachine measures in a machine and returns the best MB/s of each kind of
// run, by place and what is run. It serves the release to it over HTTP.
func inMachine(b *testing.B, spec lab.Spec, release string) map[string]float64 {
	b.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	spec.NICs[0].User.Forwards = []lab.Forward{{From: port, To: trialPort}}

	lines := make(chan string, 1000)
	m, err := lab.New(spec, lab.Needs{Launcher: lab.NewLauncher(), Log: slog.New(slog.DiscardHandler), Lines: func(l string) { lines <- l }})
	if err != nil {
		b.Fatal(err)
	}
	if err := m.PowerOn(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := m.PowerOff(context.Background()); err != nil {
			b.Error(err)
		}
	}()
	go func() { // ends with the machine
		if err := m.Wait(context.Background()); err == nil {
			says, _ := os.ReadFile(filepath.Join(spec.Dir, "qemu.log"))
			lines <- fmt.Sprintf("%sthe machine is off; QEMU says: %s", trialFailed, says)
		}
	}()
	server, calls := &http.Server{Handler: http.FileServer(http.Dir(release))}, newCaller(port)
	go server.Serve(calls) // ends with server
	defer server.Close()
	return collect(b, lines)
}

// collect reads what the machine says until it is done.
func collect(b *testing.B, lines <-chan string) map[string]float64 {
	b.Helper()
	best := map[string]float64{}
	for line := range lines {
		if why, ok := strings.CutPrefix(line, trialFailed); ok {
			b.Fatal(why)
		}
		if line == trialDone {
			break
		}
		var place, what string
		var bytes, nanoseconds float64
		if n, err := fmt.Sscanf(line, trialResult, &place, &what, &bytes, &nanoseconds); n < 4 || err != nil {
			continue // the kernel and others speak too
		}
		rate := bytes / megabyte / (nanoseconds / 1e9)
		b.Logf("%-5s %-12s %7.1f MB/s", place, what, rate)
		best[place+" "+what] = max(best[place+" "+what], rate)
	}
	return best
}
