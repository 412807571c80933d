package encrypted

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/qa/built"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// rack makes the machine with the medium the first controller, encrypted.
const rack = `name: rack
management: {network: 10.20.0.0/24, controller: 10.20.0.11, nic: "52:54:00:cc:01:01"}
external: {nic: "52:54:00:cc:01:03", dhcp: true}
rules: [{roles: [controller], encrypt: tpm}]
ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1UG2rD0mK0e7sD2cB9mC1hKj1u8k2Qw3YkO0mXr1aB operator"]
`

const diskGiB = 16

// What a machine says at its end, good or bad.
const (
	running = "log in: ssh "
	stopped = "CAIRN CANNOT GO ON"
)

func TestInstallAndStartAgain(t *testing.T) {
	iso := medium(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "disk.img")
	c := powered(t, filepath.Join(dir, "mine"), file, iso, conf(t))
	if got := c.until(t, running, stopped); !strings.Contains(got, running) {
		t.Fatalf("the installation ends so:\n%s", c.tail())
	}
	c.off(t)
	sealedOnDisk(t, file)

	again := powered(t, filepath.Join(dir, "mine"), file)
	if got := again.until(t, running, stopped); !strings.Contains(got, running) {
		t.Fatalf("the second start ends so:\n%s", again.tail())
	}
	again.off(t)

	stolen := powered(t, filepath.Join(dir, "other"), file)
	stolen.until(t, "Put the disk back into the machine", running)
	if all := strings.Join(stolen.said(0), "\n"); !strings.Contains(all, stopped) || strings.Contains(all, running) {
		t.Errorf("with another TPM:\n%s", stolen.tail())
	}
}

// sealedOnDisk looks that nothing of the data file system can be read.
func sealedOnDisk(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := disk.ReadTable(f, diskGiB<<30)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range table.Entries {
		if e.Name != plan.LabelData {
			continue
		}
		if got := disk.Volume(io.NewSectionReader(f, e.Start, e.Size), e.Size); len(got) != 1 || got[0] != "LUKS encrypted volume" {
			t.Errorf("the data partition holds %q", got)
		}
		b := make([]byte, 64<<20)
		if _, err := f.ReadAt(b, e.Start+16<<20); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("lost+found")) {
			t.Error("the data can be read")
		}
		return
	}
	t.Errorf("no %s on the disk: %+v", plan.LabelData, table.Entries)
}

// medium is the ISO, or the test is skipped.
func medium(t *testing.T) string {
	t.Helper()
	built.Long(t)
	built.Tools(t, "qemu-system-x86_64", "swtpm", "xorriso")
	return filepath.Join(built.Out(t, "cairn.iso"), "cairn.iso")
}

// conf is the volume that the installer reads rack.yaml from.
func conf(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	file, image := filepath.Join(dir, "rack.yaml"), filepath.Join(dir, "conf.iso")
	if err := os.WriteFile(file, []byte(rack), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("xorriso", "-as", "mkisofs", "-quiet", "-V", plan.ConfVolume, "-J", "-R", "-o", image, "-graft-points", "rack.yaml="+file).CombinedOutput()
	if err != nil {
		t.Fatalf("xorriso: %v: %s", err, out)
	}
	return image
}

// A computer is a machine whose console is read.
type computer struct {
	*machine.Machine

	mu    sync.Mutex
	lines []string // guarded by mu
}

// powered switches a computer on whose TPM lives in dir, with discs in its
// drives, the first one to boot.
func powered(t *testing.T, dir, file string, discs ...string) *computer {
	t.Helper()
	c := &computer{}
	spec := machine.Spec{Name: filepath.Base(dir), Dir: dir, CPUs: 2, MemoryMiB: 1024, Firmware: machine.BIOS, TPM: true,
		UUID: "6b9f4b1e-0000-4000-8000-00000000c0df", Serial: "E1",
		Disks: []machine.Disk{{File: file, SizeGiB: diskGiB, Serial: "disk0", BootIndex: 2}}}
	for i, d := range discs {
		spec.CDROMs = append(spec.CDROMs, machine.CDROM{File: d, BootIndex: map[int]int{0: 1}[i]})
	}
	for _, mac := range []string{"52:54:00:cc:01:01", "52:54:00:cc:01:02", "52:54:00:cc:01:03"} {
		spec.NICs = append(spec.NICs, machine.NIC{MAC: mac, User: &machine.User{}})
	}
	var err error
	c.Machine, err = machine.New(spec, machine.Needs{Launcher: machine.NewLauncher(), Lines: c.line, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.off(t) })
	return c
}

func (c *computer) off(t *testing.T) {
	t.Helper()
	if err := c.PowerOff(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

func (c *computer) line(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, text)
}

func (c *computer) said(from int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.lines[from:]...)
}

// until waits for a line with any of the words. A machine that computes for
// long without a line has hung.
func (c *computer) until(t *testing.T, words ...string) string {
	t.Helper()
	const silence = 5 * time.Minute // of CPU time
	var at machine.Activity
	for seen := 0; ; time.Sleep(200 * time.Millisecond) {
		for _, line := range c.said(seen) {
			seen++
			for _, w := range words {
				if strings.Contains(line, w) {
					return line
				}
			}
		}
		now, err := c.Activity(t.Context())
		if err != nil || !now.On {
			t.Fatalf("the machine is off (%v):\n%s", err, c.tail())
		}
		if now.Serial != at.Serial {
			at = now
		}
		if now.CPU-at.CPU > silence {
			t.Fatalf("the machine has hung:\n%s", c.tail())
		}
	}
}

// tail is the end of the console, for messages.
func (c *computer) tail() string {
	all := c.said(0)
	return strings.Join(all[max(0, len(all)-30):], "\n")
}
