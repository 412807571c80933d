package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// Partition clears what was on the disk and writes the plan's partition
// table. It returns the GUID of the disk.
//
// A cut at any moment leaves the disk as it was, or blank, or known to be
// unfinished: an installation of ours loses its slots first, whole, so that it
// is never booted with half of its data, and its table last; and slot A is
// marked as being installed before the new table is there.
func (t *Target) Partition(parts []plan.Partition) (string, error) {
	old, err := ReadTable(t.f, t.Size)
	own := err == nil && ours(old)
	places := append(placesOf(old), partsPlaces(parts)...)
	if own {
		if err := t.retire(old); err != nil {
			return "", err
		}
	}
	if err := t.wipe(places, t.kept(old, own, parts)); err != nil {
		return "", err
	}
	if err := t.mark(parts); err != nil {
		return "", err
	}
	return t.writeTable(parts)
}

// retire makes the slots of an installation count for nothing, durably, each
// by one sector.
func (t *Target) retire(old Table) error {
	for label, sector := range map[string][]byte{plan.LabelSlotA: markerSector(), plan.LabelSlotB: make([]byte, bootSector)} {
		e := old.find(label)
		if e.Size < manifest.FooterSize || e.Start+e.Size > t.Size {
			continue // never was a slot that boots
		}
		if err := t.writeAt(sector, e.Start+e.Size-manifest.FooterSize, "the end of "+label); err != nil {
			return err
		}
	}
	return t.Sync()
}

// markerSector is [Marker] as it is written.
func markerSector() []byte {
	b := make([]byte, bootSector)
	copy(b, Marker)
	return b
}

// mark puts the marker at the place of slot A's footer, or in front of the
// partition of a disk for data, durably.
func (t *Target) mark(parts []plan.Partition) error {
	for _, p := range parts {
		at := p.Start + p.Size - manifest.FooterSize
		switch p.Label {
		case plan.LabelDisk:
			at = p.Start - dataMark
		case plan.LabelSlotA:
		default:
			continue
		}
		if err := t.writeAt(markerSector(), at, "the mark of an installation under way"); err != nil {
			return err
		}
	}
	return t.Sync()
}

// dataMark is how far in front of the partition the marker of a disk for data
// is, in bytes: behind the table, and of no use to anybody.
const dataMark = 4096

// Complete takes the marker off a disk for data, durably: from now on it holds
// what somebody may need. It may be in use already, and complete.
func Complete(path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	t := &Target{Path: path, f: f}
	if t.Size, err = f.Seek(0, io.SeekEnd); err != nil {
		return fmt.Errorf("disk %s: %w", path, err)
	}
	table, err := ReadTable(f, t.Size)
	if err != nil {
		return fmt.Errorf("disk %s: %w", path, err)
	}
	e := table.find(plan.LabelDisk)
	if e == nil || !markedAt(f, e.Start-dataMark) {
		return nil
	}
	if err := t.writeAt(make([]byte, bootSector), e.Start-dataMark, "over the mark of an installation under way"); err != nil {
		return err
	}
	return t.Sync()
}

func (t *Target) writeTable(parts []plan.Partition) (string, error) {
	sector := t.sectorSize()
	table := &gpt.Table{LogicalSectorSize: sector, PhysicalSectorSize: sector, ProtectiveMBR: true}
	for i, p := range parts {
		table.Partitions = append(table.Partitions, &gpt.Partition{
			Index: i + 1, Start: uint64(p.Start) / uint64(sector), End: uint64(p.Start+p.Size)/uint64(sector) - 1,
			Size: uint64(p.Size), Type: gpt.Type(strings.ToUpper(p.Type)), Name: p.Label,
		})
	}
	w, err := file.New(t.f, false).Writable()
	if err != nil {
		return "", fmt.Errorf("disk %s: partition table: %w", t.Path, err)
	}
	if err := table.Write(w, t.Size); err != nil {
		return "", fmt.Errorf("disk %s: partition table: %w", t.Path, err)
	}
	if err := t.writeAt(passOn(), 0, "boot code that passes on"); err != nil {
		return "", err
	}
	return strings.ToLower(table.GUID), t.Sync()
}

// sectorSize is the disk's logical sector in bytes; 512 for a file.
func (t *Target) sectorSize() int {
	if n, err := unix.IoctlGetInt(int(t.f.Fd()), unix.BLKSSZGET); err == nil && n > 0 {
		return n
	}
	return 512
}

// Reread tells the kernel about the new partitions. On a file there is
// nothing to tell.
func (t *Target) Reread() error {
	err := unix.IoctlSetInt(int(t.f.Fd()), unix.BLKRRPART, 0)
	if err == nil || errors.Is(err, unix.ENOTTY) {
		return nil
	}
	return fmt.Errorf("disk %s: read the new partition table: %w", t.Path, err)
}
