package slot

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/google/uuid"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/raid"
)

// An Installation is one disk with the partitions of Cairn.
type Installation struct {
	ID    string            // disk GUID, lower case
	Disk  string            // /dev/vda
	Parts map[string]string // partition name (plan.Label*) -> device
	// Mirror is the id of the mirror that its data are in; zero: none. Twins
	// are the other disks of it that are there, each with a system of its own.
	Mirror uuid.UUID
	Twins  []Installation
}

// Data are the partitions that hold the data: one, or those of the mirror that
// are there.
func (in *Installation) Data() []string {
	out := []string{in.Parts[plan.LabelData]}
	for _, t := range in.Twins {
		out = append(out, t.Parts[plan.LabelData])
	}
	return out
}

// Whole tells whether all disks of the installation are there. A mirror that
// lacked one already when it was last used waits for none.
func (in *Installation) Whole() bool {
	if in.Mirror == uuid.Nil {
		return true
	}
	h, err := raid.Look(in.Data())
	return err == nil && h.Awaited == 0
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
		if m, err := raid.ReadFile(in.Parts[plan.LabelData]); err == nil { // what is damaged belongs to none
			in.Mirror = m.Array
		}
		out = append(out, *in)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Disk < out[j].Disk })
	return paired(out), nil
}

// paired puts the disks of a mirror together, under the first of them.
func paired(all []Installation) []Installation {
	var out []Installation
	for _, in := range all {
		i := slices.IndexFunc(out, func(o Installation) bool { return in.Mirror != uuid.Nil && o.Mirror == in.Mirror })
		if i < 0 {
			out = append(out, in)
			continue
		}
		out[i].Twins = append(out[i].Twins, in)
	}
	return out
}

// first is the installation with that one of its disks in front.
func (in Installation) first(is func(Installation) bool) (Installation, bool) {
	if is(in) {
		return in, true
	}
	i := slices.IndexFunc(in.Twins, is)
	if i < 0 {
		return in, false
	}
	twin := in.Twins[i]
	rest := slices.Delete(slices.Clone(in.Twins), i, i+1)
	in.Twins = nil
	twin.Twins = append([]Installation{in}, rest...)
	return twin, true
}

// A FurtherDisk is one for data of a role, with its only partition.
type FurtherDisk struct{ Disk, Part string }

// Further lists the disks for data by their GUIDs.
func (s System) Further() (map[string]FurtherDisk, error) {
	entries, err := os.ReadDir(filepath.Join(s.Sys, "class/block"))
	if err != nil {
		return nil, fmt.Errorf("find further disks: %w", err)
	}
	disks := map[string]*Installation{}
	for _, e := range entries {
		s.note(disks, e.Name())
	}
	out := map[string]FurtherDisk{}
	for _, d := range disks {
		part := d.Parts[plan.LabelDisk]
		if part == "" {
			continue
		}
		if id, err := DiskGUID(d.Disk); err == nil { // one that cannot be read is as good as none
			out[id] = FurtherDisk{Disk: d.Disk, Part: part}
		}
	}
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
