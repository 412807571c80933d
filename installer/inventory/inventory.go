// Package inventory finds out what a machine consists of, from /sys, /proc,
// a look at each disk, and questions to disks, BMC and switches. It changes
// nothing, and needs no tools.
//
// It may import installer/plan, installer/disk and what is below it.
package inventory

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/installer/inventory/ipmi"
	"github.com/cairn-cloud/cairn/installer/inventory/smart"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// Host is where the machine is looked at. Tests have trees of files there,
// and leave out what only hardware can answer: a nil function is not asked.
type Host struct {
	Sys  string // /sys
	Proc string // /proc
	Dev  string // /dev

	// Health asks a disk how it is; it may take as long as it likes.
	Health func(path, bus string) (*plan.Health, error)
	// LAN asks the BMC behind a device file for its network.
	LAN func(device string) (ipmi.LAN, error)
	// MTUs are the largest that cards take, by name.
	MTUs func() map[string]int
	// Now is the time.
	Now func() time.Time

	// Neighbours has what was heard by LLDP; nil where nobody listens.
	Neighbours Neighbours
	// LLDPWait is how long the listener must have listened, unless every card
	// with link has heard a neighbour. 0: what is there is taken.
	LLDPWait time.Duration
	// Patience is how long a disk may take to answer, and the BMC; default
	// 10 s.
	Patience time.Duration
}

// This is the machine that the program runs on.
func This() Host {
	return Host{Sys: "/sys", Proc: "/proc", Dev: "/dev", Health: smart.Read, LAN: askBMC, MTUs: maxMTUs, Now: time.Now}
}

// Collect takes the inventory. What cannot be read is left out: which of it
// is needed is for the plan to say. It can be called again and again. medium
// is the disk that we install from, like /dev/sda, or empty; bootMAC is the
// NIC that the machine booted from.
func (h Host) Collect(medium, bootMAC string) plan.Inventory {
	inv := plan.Inventory{Firmware: "bios", BootMAC: strings.ToLower(bootMAC), TPM: h.tpm()}
	if _, err := os.Stat(filepath.Join(h.Sys, "firmware/efi")); err == nil {
		inv.Firmware = "uefi"
	}
	if h.Now != nil {
		inv.Clock = h.Now().UTC().Format(time.RFC3339)
	}
	h.identity(&inv)
	h.cpu(&inv)
	inv.MemoryMiB = memoryMiB(filepath.Join(h.Proc, "meminfo"))
	inv.NUMANodes = h.numa()

	var slow sync.WaitGroup
	slow.Go(func() { inv.Disks = h.disks(medium) })
	slow.Go(func() { inv.BMC = h.manager() })
	inv.NICs = h.nics()
	h.neighbours(inv.NICs)
	slow.Wait()
	if inv.Machine == "" {
		inv.Machine = idFromMAC(inv)
	}
	return inv
}

// within calls a function that may never return, and gives up waiting for it
// after the patience. The goroutine then ends when the kernel lets it go.
func within[T any](patience time.Duration, ask func() T) (T, bool) {
	got := make(chan T, 1)
	go func() { got <- ask() }()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case v := <-got:
		return v, true
	case <-late.C:
		var none T
		return none, false
	}
}

const defaultPatience = 10 * time.Second

func (h Host) patience() time.Duration {
	if h.Patience == 0 {
		return defaultPatience
	}
	return h.Patience
}

// eachLine passes on the lines "key: value" of a file.
func eachLine(path string, use func(key, value string)) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		key, value, _ := strings.Cut(s.Text(), ":")
		use(strings.TrimSpace(key), strings.TrimSpace(value))
	}
}

// readLine is a file's trimmed content, or empty.
func readLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.TrimRight(string(b), "\x00"))
}

func firstOf(paths ...string) string {
	for _, p := range paths {
		if s := readLine(p); s != "" {
			return s
		}
	}
	return ""
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// linkTarget is the last part of where a link points to, or empty.
func linkTarget(path string) string {
	t, err := os.Readlink(path)
	if err != nil {
		return ""
	}
	return filepath.Base(t)
}
