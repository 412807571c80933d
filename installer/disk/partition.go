package disk

import (
	"errors"
	"fmt"
	"strings"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// wiped is how much of each end of the disk and of each new partition is
// cleared: old tables, and the signatures of what was there, so that nothing
// finds it again. The largest is ZFS with 512 KiB at either end.
const wiped = 1 << 20

// Partition clears what was on the disk and writes the plan's partition
// table. Slot A is marked as being installed before the table is there, so
// that a cut leaves a disk that is blank or known to be unfinished. It
// returns the GUID of the disk.
func (t *Target) Partition(parts []plan.Partition) (string, error) {
	ends := []int64{0, t.Size - wiped}
	for _, p := range parts {
		ends = append(ends, p.Start, p.Start+p.Size-wiped)
	}
	zero := make([]byte, wiped)
	for _, at := range ends {
		if err := t.writeAt(zero, at, "zeroes over what was there"); err != nil {
			return "", err
		}
	}
	if err := t.mark(parts); err != nil {
		return "", err
	}
	return t.writeTable(parts)
}

// mark puts the marker at the place of slot A's footer, durably.
func (t *Target) mark(parts []plan.Partition) error {
	for _, p := range parts {
		if p.Label != plan.LabelSlotA {
			continue
		}
		if err := t.writeAt([]byte(Marker), p.Start+p.Size-manifest.FooterSize, "the mark of an installation under way"); err != nil {
			return err
		}
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
