package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/cairn-cloud/cairn/qa/built"
	"github.com/cairn-cloud/cairn/qa/lab/fabric"
)

var update = flag.Bool("update", false, "write what the machine says into testdata")

// installer returns kernel and initramfs of a built release, with the program
// of this source in it.
func installer(t *testing.T) (kernel, initrd string) {
	t.Helper()
	built.Long(t)
	release := filepath.Join(built.Out(t, "release/manifest.json"), "release")
	dir := t.TempDir()
	program := filepath.Join(dir, "cairn-init")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "../../../cmd/cairn-init")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	raw, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile(filepath.Join(release, "initramfs"))
	if err != nil {
		t.Fatal(err)
	}
	for len(all)%4 != 0 {
		all = append(all, 0)
	}
	var more bytes.Buffer // what comes later in an initramfs wins
	w := cpio.Newc.Writer(&more)
	if err := w.WriteRecord(cpio.StaticFile("init", string(raw), 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		t.Fatal(err)
	}
	initrd = filepath.Join(dir, "initramfs")
	if err := os.WriteFile(initrd, append(all, more.Bytes()...), 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(release, "vmlinuz"), initrd
}

// A transcript is what a machine's console says.
type transcript struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (c *transcript) line(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, strings.TrimRight(s, "\r"))
}

func (c *transcript) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines)
}

// between is what stands between two lines.
func (c *transcript) between(begin, end string) string {
	lines := c.all()
	from, to := slices.Index(lines, begin), slices.Index(lines, end)
	if from < 0 || to < from {
		return ""
	}
	return strings.Join(lines[from+1:to], "\n")
}

// off waits until the machine has switched itself off. It gives up when
// nothing moves in it any more.
func off(t *testing.T, m *Machine) {
	t.Helper()
	const patience = 10 * time.Minute
	var last Activity
	for since := time.Now(); m.On(); {
		a, err := m.Activity(t.Context())
		if err == nil && a != last {
			last, since = a, time.Now()
		}
		if time.Since(since) > patience {
			t.Fatalf("nothing has happened for %s", patience)
		}
		time.Sleep(time.Second)
	}
}

// A machine with a bit of everything takes its own inventory and prints it.
// Disks answer for their health, the BMC is asked, the TPM is there, and the
// cards hear the lab's switch.
func TestInventoryOfOddHardware(t *testing.T) {
	needsQEMU(t)
	if _, err := exec.LookPath("swtpm"); err != nil {
		t.Skip("swtpm is not installed")
	}
	kernel, initrd := installer(t)
	sw := fabric.New("leaf-1")
	var ports []*fabric.Port
	for i, c := range []fabric.PortConfig{{Name: "odd/management", Access: 10}, {Name: "odd/tenant", Native: 7, Trunk: []int{100, 101}}, {Name: "odd/third", Access: 12}} {
		p, err := sw.AddPort(c)
		if err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			p.SetFault(fabric.Fault{Down: true}) // a cable that nobody hears through
		}
		ports = append(ports, p)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go sw.Announce(ctx)

	said := &transcript{}
	m, err := New(Spec{
		Name: "odd", Dir: t.TempDir(), CPUs: 2, MemoryMiB: 1024, CacheMiB: 128, Firmware: BIOS, Sockets: 2, TPM: true,
		BMC:  &BMC{Address: netip.MustParseAddr("10.20.9.1"), MAC: "52:54:00:00:00:bc"},
		UUID: "6b9f4b1e-0000-4000-8000-0000000000dd", Serial: "ODD1",
		Disks: []Disk{
			{File: "d0", SizeGiB: 1, Serial: "V0"}, {File: "d1", SizeGiB: 2, Serial: "N0", Bus: NVMe}, {File: "d2", SizeGiB: 3, Serial: "N1", Bus: NVMe, Socket: 1},
			{File: "d3", SizeGiB: 4, Serial: "A0", Bus: ATA}, {File: "d4", SizeGiB: 5, Serial: "S0", Bus: SCSI},
		},
		NICs: []NIC{
			{MAC: "52:54:00:00:00:01", Port: ports[0]}, {MAC: "52:54:00:00:00:02", Port: ports[1], Model: "e1000e"}, {MAC: "52:54:00:00:00:03", Port: ports[2], Model: "e1000"},
		},
		Kernel: kernel, Initrd: initrd,
		Append: "console=ttyS0,115200 quiet cairn.mode=inventory BOOTIF=01-52-54-00-00-00-01 mitigations=off cryptomgr.notests nowatchdog cairn.fail=poweroff",
	}, Needs{Launcher: NewLauncher(), Lines: said.line, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer m.PowerOff(context.Background())
	off(t, m)
	if t.Failed() || testing.Verbose() {
		t.Log(strings.Join(said.all(), "\n"))
	}
	got := steady(t, said.between("cairn: inventory begins", "cairn: inventory ends"))
	golden := filepath.Join("testdata", "odd.json")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

// steady is the inventory without what differs from boot to boot and from
// version to version of QEMU.
func steady(t *testing.T, raw string) string {
	t.Helper()
	var inv map[string]any
	if err := json.Unmarshal([]byte(raw), &inv); err != nil {
		t.Fatalf("%v in:\n%s", err, raw)
	}
	for _, key := range []string{"clock", "bios", "memory_mib", "cpu_model", "product"} {
		if fmt.Sprint(inv[key]) == "" {
			t.Errorf("%s is empty", key)
		}
		inv[key] = "*"
	}
	for _, n := range items(inv["numa"]) {
		n["memory_mib"] = "*"
	}
	for _, n := range items(inv["nics"]) {
		n["name"] = "*" // cards and disks are named as their drivers come
	}
	disks := items(inv["disks"])
	for _, d := range disks {
		d["path"] = "*"
	}
	slices.SortFunc(disks, func(a, b map[string]any) int {
		return strings.Compare(fmt.Sprint(a["serial"]), fmt.Sprint(b["serial"]))
	})
	inv["disks"] = disks
	b, err := json.MarshalIndent(inv, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

// items are the objects of a JSON array.
func items(list any) []map[string]any {
	var out []map[string]any
	all, ok := list.([]any)
	for _, e := range all {
		if m, is := e.(map[string]any); ok && is {
			out = append(out, m)
		}
	}
	return out
}
