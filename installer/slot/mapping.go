package slot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/anatol/devmapper.go"
	"golang.org/x/sys/unix"
)

// Mapping is an open device of the device mapper.
type Mapping struct {
	Name string
	Path string // /dev/dm-0
}

// show finds the node of a device that was just made, or removes it.
func (m *Mapping) show() error {
	info, err := devmapper.InfoByName(m.Name)
	if err != nil {
		return errors.Join(fmt.Errorf("open mapping %s: %w", m.Name, err), m.Close())
	}
	m.Path = filepath.Join("/dev", fmt.Sprintf("dm-%d", unix.Minor(info.DevNo)))
	if err := ensureNode(m.Path, info.DevNo); err != nil {
		return errors.Join(err, m.Close())
	}
	return nil
}

// Close removes the mapping. Nothing may use it any more. The zero value has
// nothing to remove.
func (m Mapping) Close() error {
	if m.Name == "" {
		return nil
	}
	if err := devmapper.Remove(m.Name); err != nil {
		return fmt.Errorf("close mapping %s: %w", m.Name, err)
	}
	return nil
}

// controlNode makes /dev/mapper/control if nobody else does.
func controlNode() error {
	const node = "/dev/mapper/control"
	if _, err := os.Stat(node); err == nil {
		return nil
	}
	b, err := os.ReadFile("/sys/class/misc/device-mapper/dev")
	if err != nil {
		return fmt.Errorf("the device mapper is not there (module dm-mod): %w", err)
	}
	var major, minor uint32
	if _, err := fmt.Sscanf(strings.TrimSpace(string(b)), "%d:%d", &major, &minor); err != nil {
		return fmt.Errorf("device mapper: %w", err)
	}
	if err := os.MkdirAll("/dev/mapper", 0o755); err != nil {
		return fmt.Errorf("device mapper: %w", err)
	}
	return mknod(node, unix.S_IFCHR|0o600, unix.Mkdev(major, minor))
}

// ensureNode makes a block device node that devtmpfs has not made.
func ensureNode(path string, dev uint64) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err == nil && st.Rdev == dev {
		return nil
	}
	return mknod(path, unix.S_IFBLK|0o600, dev)
}

func mknod(path string, mode uint32, dev uint64) error {
	if err := unix.Mknod(path, mode, int(dev)); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make device node %s: %w", path, err)
	}
	return nil
}
