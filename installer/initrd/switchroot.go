package initrd

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// SwitchRoot makes root the root of the system and executes init there with
// the given arguments and environment. The kernel's file systems move along;
// what the initramfs held is freed. It returns only on failure.
func SwitchRoot(root string, argv, env []string) error {
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run"} {
		if err := unix.Mount(dir, filepath.Join(root, dir), "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("switch root: move %s: %w", dir, err)
		}
	}
	old, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("switch root: open the initramfs: %w", err)
	}
	if err := os.Chdir(root); err != nil {
		return fmt.Errorf("switch root: %w", err)
	}
	if err := unix.Mount(root, "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("switch root: move %s to /: %w", root, err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("switch root: chroot: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("switch root: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(old, &st); err == nil {
		empty(old, st.Dev)
	}
	if err := unix.Exec(argv[0], argv, env); err != nil {
		return fmt.Errorf("switch root: start %s: %w", argv[0], err)
	}
	return nil
}

// empty deletes what is under the directory fd on that one device, to give
// its memory back, and closes fd. What cannot be deleted stays: it costs
// memory only.
func empty(fd int, dev uint64) {
	dir := os.NewFile(uintptr(fd), "initramfs")
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return
	}
	for _, name := range names {
		sub, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			_ = unix.Unlinkat(fd, name, 0)
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstat(sub, &st); err != nil || st.Dev != dev {
			_ = unix.Close(sub)
			continue
		}
		empty(sub, dev)
		_ = unix.Unlinkat(fd, name, unix.AT_REMOVEDIR)
	}
}
