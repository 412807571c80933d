package installer

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/disk"
)

// mediumLabel is the ISO 9660 volume name of the installation medium, and
// releaseDir where the release is on it.
const (
	mediumLabel = "CAIRN-ISO"
	releaseDir  = "cairn"
)

// A volume is a mounted, read-only volume.
type volume struct {
	device string // /dev/sr0
	disk   string // the whole disk that it is on: /dev/sr0, or /dev/sda for /dev/sda1
	dir    string
}

// kernelFS maps what is found on a volume to the kernel's file systems.
func kernelFS(found string) string {
	switch found {
	case "ISO 9660 file system":
		return "iso9660"
	case "FAT file system":
		return "vfat"
	case "ext file system":
		return "ext4"
	default:
		return ""
	}
}

// findVolume waits for a volume with that label and mounts it. patience is
// how long nothing new may appear before it counts as absent.
func (m *machine) findVolume(ctx context.Context, label string, patience time.Duration) (*volume, error) {
	var device, fstype string
	err := m.modules.WaitDevices(ctx, patience, func() bool {
		device, fstype = lookLabel(label)
		return device != ""
	}, func(d time.Duration) {
		m.console.Printf("cairn: waiting for a volume labelled %s, for %s so far", label, d.Round(time.Second))
	})
	if err != nil {
		return nil, fmt.Errorf("no volume is labelled %s: %w", label, err)
	}
	return m.mountVolume(device, fstype, label)
}

func (m *machine) mountVolume(device, fstype, name string) (*volume, error) {
	module := fstype
	if fstype == "iso9660" {
		module = "isofs"
	}
	if err := m.modules.Load(module, "nls_cp437", "nls_ascii", "nls_utf8"); err != nil {
		return nil, err
	}
	v := &volume{device: device, disk: wholeDisk(device), dir: filepath.Join(scratch, strings.ToLower(name))}
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return nil, fmt.Errorf("mount %s: %w", device, err)
	}
	const flags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	data := ""
	if fstype == "ext4" {
		data = "noload" // a journal is replayed even by a mount that only reads
	}
	if err := unix.Mount(device, v.dir, fstype, flags, data); err != nil {
		return nil, fmt.Errorf("mount %s (%s): %w", device, fstype, err)
	}
	return v, nil
}

// close unmounts the volume.
func (v *volume) close() error {
	if err := unix.Unmount(v.dir, 0); err != nil {
		return fmt.Errorf("unmount %s: %w", v.device, err)
	}
	return nil
}

// lookLabel looks at every block device for a file system with that label.
func lookLabel(label string) (device, fstype string) {
	entries, err := os.ReadDir("/sys/class/block")
	if err != nil {
		return "", ""
	}
	for _, e := range entries {
		path := filepath.Join("/dev", e.Name())
		if kind, found := labelOf(path); strings.EqualFold(found, label) && kernelFS(kind) != "" {
			return path, kernelFS(kind)
		}
	}
	return "", ""
}

func labelOf(device string) (kind, label string) {
	f, err := os.OpenFile(device, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return "", ""
	}
	return disk.Label(f, size)
}

// wholeDisk is the disk that a partition belongs to, or the device itself.
func wholeDisk(device string) string {
	link := filepath.Join("/sys/class/block", filepath.Base(device))
	if _, err := os.Stat(filepath.Join(link, "partition")); err != nil {
		return device
	}
	real, err := filepath.EvalSymlinks(link)
	if err != nil {
		return device
	}
	return filepath.Join("/dev", filepath.Base(filepath.Dir(real)))
}
