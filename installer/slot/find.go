package slot

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/google/uuid"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// An Installation is one disk with the partitions of Cairn.
type Installation struct {
	ID    string            // disk GUID, lower case
	Disk  string            // /dev/vda
	Parts map[string]string // partition name (plan.Label*) -> device
}

// System is where the kernel shows its devices. The zero value is not usable;
// see [Host].
type System struct {
	Sys string // /sys
	Dev string // /dev
}

// Host is the running system.
func Host() System { return System{Sys: "/sys", Dev: "/dev"} }

// Find lists the disks that carry all partitions of an installation, by disk.
func (s System) Find() ([]Installation, error) {
	entries, err := os.ReadDir(filepath.Join(s.Sys, "class/block"))
	if err != nil {
		return nil, fmt.Errorf("find installations: %w", err)
	}
	disks := map[string]*Installation{}
	for _, e := range entries {
		s.note(disks, e.Name())
	}
	var out []Installation
	for _, in := range disks {
		if !in.complete() {
			continue
		}
		if in.ID, err = DiskGUID(in.Disk); err != nil {
			return nil, err
		}
		out = append(out, *in)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Disk < out[j].Disk })
	return out, nil
}

// note adds a block device to its disk if it is a partition of ours.
func (s System) note(disks map[string]*Installation, name string) {
	link := filepath.Join(s.Sys, "class/block", name)
	label := ueventValue(filepath.Join(link, "uevent"), "PARTNAME")
	if !strings.HasPrefix(label, "cairn-") {
		return
	}
	real, err := filepath.EvalSymlinks(link)
	if err != nil {
		return // the device is going away
	}
	disk := filepath.Join(s.Dev, filepath.Base(filepath.Dir(real)))
	if disks[disk] == nil {
		disks[disk] = &Installation{Disk: disk, Parts: map[string]string{}}
	}
	disks[disk].Parts[label] = filepath.Join(s.Dev, name)
}

// complete tells whether the disk has what a boot needs.
func (in *Installation) complete() bool {
	for _, label := range []string{plan.LabelESP, plan.LabelSlotA, plan.LabelSlotB, plan.LabelData} {
		if in.Parts[label] == "" {
			return false
		}
	}
	return true
}

// ueventValue reads one KEY=value line of a device's uevent file.
func ueventValue(file, key string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, key+"="); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// DiskGUID reads the GUID of a disk from its GPT header, for sectors of 512
// or 4096 bytes.
func DiskGUID(disk string) (string, error) {
	f, err := os.Open(disk)
	if err != nil {
		return "", fmt.Errorf("disk GUID: %w", err)
	}
	defer f.Close()
	b := make([]byte, 72)
	for _, sector := range []int64{512, 4096} {
		if _, err := f.ReadAt(b, sector); err != nil {
			return "", fmt.Errorf("disk GUID of %s: %w", disk, err)
		}
		if string(b[:8]) == "EFI PART" {
			return guid(b[56:72]).String(), nil
		}
	}
	return "", fmt.Errorf("%s has no GPT header in its first sectors", disk)
}

// guid turns the mixed-endian form of a GPT around.
func guid(b []byte) uuid.UUID {
	var u uuid.UUID
	binary.BigEndian.PutUint32(u[0:], binary.LittleEndian.Uint32(b[0:]))
	binary.BigEndian.PutUint16(u[4:], binary.LittleEndian.Uint16(b[4:]))
	binary.BigEndian.PutUint16(u[6:], binary.LittleEndian.Uint16(b[6:]))
	copy(u[8:], b[8:])
	return u
}
