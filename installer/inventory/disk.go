package inventory

import (
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// notDisks are block devices that nobody installs on, by the start of their
// name.
var notDisks = []string{"loop", "ram", "zram", "sr", "fd", "dm-", "md", "nbd", "mtd", "drbd", "rbd"}

// disks looks at all disks at once: each takes its own time.
func (h Host) disks(medium string) []plan.Disk {
	entries, err := os.ReadDir(filepath.Join(h.Sys, "block"))
	if err != nil {
		return nil
	}
	var out []plan.Disk
	for _, e := range entries {
		if d, ok := h.disk(e.Name()); ok {
			d.Medium = d.Path == medium
			out = append(out, d)
		}
	}
	sort.Slice(out, func(i, j int) bool { return natural(out[i].Path, out[j].Path) })
	var all sync.WaitGroup
	for i := range out {
		all.Go(func() { h.look(&out[i]) })
		all.Go(func() { h.health(&out[i]) })
	}
	all.Wait()
	return out
}

// disk reads what /sys knows of a disk.
func (h Host) disk(name string) (plan.Disk, bool) {
	for _, prefix := range notDisks {
		if strings.HasPrefix(name, prefix) {
			return plan.Disk{}, false
		}
	}
	if strings.HasPrefix(name, "mmcblk") && strings.Contains(name, "boot") {
		return plan.Disk{}, false // the firmware's part of a chip
	}
	at := filepath.Join(h.Sys, "block", name)
	sectors, err := strconv.ParseInt(readLine(filepath.Join(at, "size")), 10, 64)
	if err != nil || sectors == 0 || readLine(filepath.Join(at, "hidden")) == "1" {
		return plan.Disk{}, false
	}
	real := h.blockDevice(name)
	d := plan.Disk{
		Path:       filepath.Join("/dev", name),
		Size:       sectors * 512, // the kernel counts in these whatever the disk has
		Model:      readLine(filepath.Join(at, "device/model")),
		Serial:     serial(at),
		Bus:        bus(real, name),
		Rotational: readLine(filepath.Join(at, "queue/rotational")) == "1",
		Removable:  readLine(filepath.Join(at, "removable")) == "1",
		ReadOnly:   readLine(filepath.Join(at, "ro")) == "1",
		WWN:        wwn(firstOf(filepath.Join(at, "wwid"), filepath.Join(at, "device/wwid"))),
		ByPath:     byPath(real),
		NUMA:       h.numaOf(real),
		Sector:     atoi(readLine(filepath.Join(at, "queue/logical_block_size"))),
	}
	return d, true
}

// unitSerial is where the kernel keeps the SCSI page with the serial number
// (SPC-4, 7.8.15): four bytes of head, then text. The disk's label says the
// same.
const unitSerial = "device/vpd_pg80"

// serial is the disk's serial number, or its world wide name where it has
// none.
func serial(at string) string {
	if b, err := os.ReadFile(filepath.Join(at, unitSerial)); err == nil && len(b) > 4 {
		if s := printable(string(b[4:])); s != "" {
			return s
		}
	}
	return firstOf(filepath.Join(at, "serial"), filepath.Join(at, "device/serial"), filepath.Join(at, "device/wwid"), filepath.Join(at, "wwid"))
}

// printable is a text without what cannot be printed.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s))
}

// wwn is a disk's world wide name as udev and lsblk write it. Names that
// begin otherwise (t10, nvme) are made of model and serial number, and say no
// more.
func wwn(id string) string {
	if hex, ok := strings.CutPrefix(id, "naa."); ok {
		return "0x" + hex
	}
	if strings.HasPrefix(id, "eui.") || strings.HasPrefix(id, "uuid.") {
		return id
	}
	return ""
}

// bus tells how the disk is attached, from where it hangs in the device tree.
func bus(real, name string) string {
	switch {
	case strings.HasPrefix(name, "nvme"):
		return "nvme"
	case strings.Contains(real, "/usb"):
		return "usb"
	case strings.Contains(real, "/virtio") && strings.HasPrefix(name, "vd"):
		return "virtio"
	case strings.Contains(real, "/ata"):
		return "ata"
	case strings.HasPrefix(name, "mmcblk"):
		return "mmc"
	case strings.HasPrefix(name, "sd"):
		return "scsi"
	default:
		return ""
	}
}

// natural orders names by length first, so that sdb comes before sdaa.
func natural(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}
