package disk

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A Target is the disk that an installation writes. It is held exclusively:
// a disk with a mounted partition cannot become one.
type Target struct {
	Path   string
	Size   int64 // bytes
	f      *os.File
	direct *os.File // the same past the page cache; f where that cannot be
}

// Open takes a disk, or a file in tests.
func Open(path string) (*Target, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_EXCL, 0)
	if errors.Is(err, unix.EBUSY) {
		return nil, fmt.Errorf("disk %s is in use: a partition of it is mounted, or it belongs to a RAID or LVM: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("disk %s: %w", path, err), f.Close())
	}
	t := &Target{Path: path, Size: size, f: f, direct: f}
	if d, err := os.OpenFile(path, os.O_RDWR|unix.O_DIRECT, 0); err == nil {
		t.direct = d
	}
	return t, nil
}

// Sync makes everything that was written durable.
func (t *Target) Sync() error {
	if err := t.f.Sync(); err != nil {
		return fmt.Errorf("disk %s: sync: %w", t.Path, err)
	}
	return nil
}

// Close syncs and gives the disk back.
func (t *Target) Close() error {
	errs := []error{t.Sync()}
	if t.direct != t.f {
		errs = append(errs, t.direct.Close())
	}
	return errors.Join(append(errs, t.f.Close())...)
}

// writeAt writes small things through the page cache.
func (t *Target) writeAt(b []byte, at int64, what string) error {
	if _, err := t.f.WriteAt(b, at); err != nil {
		return fmt.Errorf("disk %s: write %s: %w", t.Path, what, err)
	}
	return nil
}
