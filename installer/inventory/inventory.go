// Package inventory finds out what a machine consists of, from /sys, /proc
// and a look at each disk. It changes nothing, and needs no tools.
//
// It may import installer/plan and installer/disk.
package inventory

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Host is where the machine is looked at. Tests have trees of files there.
type Host struct {
	Sys  string // /sys
	Proc string // /proc
	Dev  string // /dev
}

// This is the machine that the program runs on.
func This() Host { return Host{Sys: "/sys", Proc: "/proc", Dev: "/dev"} }

// Collect takes the inventory. What cannot be read is left out: which of it
// is needed is for the plan to say. medium is the disk that we install from,
// like /dev/sda, or empty; bootMAC is the NIC that the machine booted from.
func (h Host) Collect(medium, bootMAC string) plan.Inventory {
	inv := plan.Inventory{
		Machine:  strings.ToLower(h.dmi("product_uuid")),
		Serial:   h.dmi("product_serial"),
		Vendor:   h.dmi("sys_vendor"),
		Product:  h.dmi("product_name"),
		Firmware: "bios",
		BootMAC:  strings.ToLower(bootMAC),
		Disks:    h.disks(medium),
		NICs:     h.nics(),
	}
	if _, err := os.Stat(filepath.Join(h.Sys, "firmware/efi")); err == nil {
		inv.Firmware = "uefi"
	}
	h.cpu(&inv)
	inv.MemoryMiB = h.memoryMiB()
	if inv.Machine == "" {
		inv.Machine = idFromMAC(inv)
	}
	return inv
}

// idFromMAC names a machine whose firmware does not.
func idFromMAC(inv plan.Inventory) string {
	mac := inv.BootMAC
	if mac == "" && len(inv.NICs) > 0 {
		mac = inv.NICs[0].MAC
	}
	return "mac-" + strings.ReplaceAll(mac, ":", "")
}

func (h Host) dmi(name string) string {
	s := readLine(filepath.Join(h.Sys, "class/dmi/id", name))
	switch strings.ToLower(s) { // what boards have where nobody cared
	case "to be filled by o.e.m.", "not specified", "default string", "none", "0":
		return ""
	}
	return s
}

func (h Host) cpu(inv *plan.Inventory) {
	h.eachLine("cpuinfo", func(key, value string) {
		switch key {
		case "processor":
			inv.CPUs++
		case "model name":
			inv.CPUModel = value
		case "flags":
			for _, f := range strings.Fields(value) {
				if f == "vmx" || f == "svm" {
					inv.Virt = f
				}
			}
		}
	})
}

// memoryMiB is what the kernel has, a little less than what is built in.
func (h Host) memoryMiB() int {
	kib := 0
	h.eachLine("meminfo", func(key, value string) {
		if key == "MemTotal" {
			kib = atoi(strings.TrimSuffix(value, " kB"))
		}
	})
	return kib / 1024
}

func (h Host) eachLine(name string, use func(key, value string)) {
	f, err := os.Open(filepath.Join(h.Proc, name))
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
