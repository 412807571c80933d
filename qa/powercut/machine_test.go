package powercut

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/qa/built"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// machineID is the SMBIOS id of every machine here.
const machineID = "6b9f4b1e-0000-4000-8000-00000000c0de"

// diskGiB is the size of its disk.
const diskGiB = 16

// macs are its NICs: management, tenant, external.
func macs() []string { return []string{"52:54:00:cb:01:01", "52:54:00:cb:01:02", "52:54:00:cb:01:03"} }

// rackYAML is the rack of which the machine becomes the first controller.
func rackYAML(extra string) string {
	m := macs()
	return fmt.Sprintf(`name: rack
management: {network: 10.20.0.0/24, controller: 10.20.0.11, nic: %q}
external: {nic: %q, dhcp: true}
ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1UG2rD0mK0e7sD2cB9mC1hKj1u8k2Qw3YkO0mXr1aB operator"]
%s`, m[0], m[2], extra)
}

// A release is what the tests need of a build.
type release struct{ iso, key string }

// released finds the ISO and the key of the release on it, or skips the test.
func released(t *testing.T) release {
	t.Helper()
	built.Long(t)
	built.Tools(t, "qemu-system-x86_64", "xorriso", "e2fsck", "debugfs")
	out := built.Out(t, "cairn.iso", "keys/release.pub")
	return release{filepath.Join(out, "cairn.iso"), filepath.Join(out, "keys", "release.pub")}
}

func (b release) publicKey(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile(b.key)
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// conf makes the volume that the installer reads rack.yaml from.
func conf(t *testing.T, yaml string) string {
	t.Helper()
	dir := t.TempDir()
	file, image := filepath.Join(dir, "rack.yaml"), filepath.Join(dir, "conf.iso")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("xorriso", "-as", "mkisofs", "-quiet", "-V", "CAIRN-CONF", "-J", "-R", "-o", image, "-graft-points", "rack.yaml="+file).CombinedOutput()
	if err != nil {
		t.Fatalf("xorriso: %v: %s", err, out)
	}
	return image
}

// A computer is a machine with a disk, and with the medium in its drive or
// without.
type computer struct {
	*machine.Machine
	dir string

	mu    sync.Mutex
	lines []string // guarded by mu
}

// A setup says what a computer is made of.
type setup struct {
	dir      string // its own
	firmware machine.Firmware
	disk     string   // file
	record   string   // of what is written to it; empty: none
	discs    []string // in its drives, the first one to boot
}

// powered switches a computer on until the test ends or it is switched off.
func powered(t *testing.T, s setup) *computer {
	t.Helper()
	c := &computer{dir: s.dir}
	spec := machine.Spec{
		Name: filepath.Base(s.dir), Dir: s.dir, CPUs: 2, MemoryMiB: 1024, Firmware: s.firmware, UUID: machineID, Serial: "M1",
		Disks: []machine.Disk{{File: s.disk, SizeGiB: diskGiB, Serial: "disk0", BootIndex: 2, Record: s.record}},
	}
	if s.record != "" {
		if err := os.WriteFile(s.record, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, d := range s.discs {
		spec.CDROMs = append(spec.CDROMs, machine.CDROM{File: d, BootIndex: map[int]int{0: 1}[i]})
	}
	for _, mac := range macs() {
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

// What a computer comes to.
const (
	ends    = "runs its system"
	refuses = "refuses to go on"
	nothing = "does not boot"
)

// outcomes are the words on the console that tell.
func outcomes() map[string]*regexp.Regexp {
	return map[string]*regexp.Regexp{
		ends:    regexp.MustCompile(`^log in: ssh `),
		refuses: regexp.MustCompile(`CAIRN CANNOT GO ON|emergency mode`),
		nothing: regexp.MustCompile(`No bootable device|No bootable option or device was found|UEFI Interactive Shell|error: .*(file|disk|filesystem)`),
	}
}

// kernelPanic ends a start; the kernel begins another one by itself. The first
// says nothing about the disk: QEMU's translator, with more processors than
// one, causes it in one of some dozens of starts.
var kernelPanic = regexp.MustCompile(`Kernel panic - not syncing`)

// silence is how much a computer may compute, and idle for how long it may do
// nothing, without a word on the console: then it has hung.
const (
	silence = 4 * time.Minute // of CPU time
	idle    = 2 * time.Minute
)

// outcome waits for what the computer comes to.
func (c *computer) outcome(t *testing.T) string {
	t.Helper()
	words, seen, panics := outcomes(), 0, 0
	var at machine.Activity
	said := time.Now()
	for {
		for _, line := range c.said(seen) {
			seen++
			if kernelPanic.MatchString(line) {
				t.Logf("the kernel gave up: %s", line)
				if panics++; panics > 1 {
					return refuses
				}
			}
			for what, word := range words {
				if word.MatchString(line) {
					return what
				}
			}
		}
		now, err := c.Activity(t.Context())
		if err != nil || !now.On {
			t.Fatalf("the machine is off: %v", errors.Join(err, t.Context().Err()))
		}
		if now.Serial != at.Serial {
			at, said = now, time.Now()
		}
		if used := now.CPU - at.CPU; used > silence || time.Since(said) > idle && used < time.Second {
			return nothing
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// tail is the end of the console, for messages.
func (c *computer) tail() string {
	all := c.said(0)
	return strings.Join(all[max(0, len(all)-25):], "\n")
}
