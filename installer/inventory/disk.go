package inventory

import (
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// notDisks are block devices that nobody installs on, by the start of their
// name.
var notDisks = []string{"loop", "ram", "zram", "sr", "fd", "dm-", "md", "nbd", "mtd", "drbd", "rbd"}

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
	return out
}

func (h Host) disk(name string) (plan.Disk, bool) {
	for _, prefix := range notDisks {
		if strings.HasPrefix(name, prefix) {
			return plan.Disk{}, false
		}
	}
	at := filepath.Join(h.Sys, "block", name)
	sectors, err := strconv.ParseInt(readLine(filepath.Join(at, "size")), 10, 64)
	if err != nil || sectors == 0 || readLine(filepath.Join(at, "hidden")) == "1" {
		return plan.Disk{}, false
	}
	d := plan.Disk{
		Path:       filepath.Join("/dev", name),
		Size:       sectors * 512, // the kernel counts in these whatever the disk has
		Model:      readLine(filepath.Join(at, "device/model")),
		Serial:     firstOf(filepath.Join(at, "serial"), filepath.Join(at, "device/serial"), filepath.Join(at, "device/wwid"), filepath.Join(at, "wwid")),
		Bus:        h.bus(at, name),
		Rotational: readLine(filepath.Join(at, "queue/rotational")) == "1",
		Removable:  readLine(filepath.Join(at, "removable")) == "1",
		ReadOnly:   readLine(filepath.Join(at, "ro")) == "1",
	}
	h.look(&d, name)
	return d, true
}

// look says what is on the disk. One that cannot be read counts as full: a
// disk is wiped only when it is known what is lost.
func (h Host) look(d *plan.Disk, name string) {
	f, err := os.Open(filepath.Join(h.Dev, name))
	if err != nil {
		d.Contents = []string{"unknown, it cannot be opened: " + err.Error()}
		return
	}
	defer f.Close()
	c := disk.Look(f, d.Size)
	d.Contents, d.Installed, d.Unfinished, d.Stamp = c.Words, c.Installed, c.Unfinished, c.Stamp
}

func firstOf(paths ...string) string {
	for _, p := range paths {
		if s := readLine(p); s != "" {
			return s
		}
	}
	return ""
}

// bus tells how the disk is attached, from where it hangs in the device tree.
func (h Host) bus(at, name string) string {
	real, err := filepath.EvalSymlinks(at)
	if err != nil {
		real = at
	}
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
