package slot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// A Root is the root of an installed system, put together under Dir.
type Root struct {
	Dir     string
	verity  Mapping
	mounted []string // in the order of mounting
}

// Open maps the slot and mounts it read-only on dir.
func Open(dir, device string, v manifest.Verity) (*Root, error) {
	m, err := OpenVerity("cairn-root", device, v)
	if err != nil {
		return nil, err
	}
	r := &Root{Dir: dir, verity: m}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, errors.Join(fmt.Errorf("mount root: %w", err), r.Close())
	}
	if err := r.mount(m.Path, "", "erofs", unix.MS_RDONLY|unix.MS_NODEV, ""); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// MountVar mounts the data partition on /var.
func (r *Root) MountVar(device string) error {
	return r.mount(device, "var", "ext4", unix.MS_NOSUID|unix.MS_NODEV, "")
}

// MountFurther mounts the file system of a further disk.
func (r *Root) MountFurther(device, at string) error {
	if err := os.MkdirAll(filepath.Join(r.Dir, at), 0o700); err != nil {
		return fmt.Errorf("mount %s: %w", device, err)
	}
	return r.mount(device, at, "ext4", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// Bar keeps anybody from writing where a further disk should be, to a disk
// that it was not meant for.
func (r *Root) Bar(at string) error {
	if err := os.MkdirAll(filepath.Join(r.Dir, at), 0o700); err != nil {
		return fmt.Errorf("bar %s: %w", at, err)
	}
	return r.mount("tmpfs", at, "tmpfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=4k,mode=0000")
}

// Repair lets the image's e2fsck mend what can be mended without a person.
// Its exit status is a set of bits: 1 says that it has mended something, 2
// that a mounted root would need a restart; this one is not mounted.
func (r *Root) Repair(ctx context.Context, device string) error {
	const mended = 3
	err := r.Run(ctx, "/usr/sbin/e2fsck", "-p", device)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode()&^mended == 0 {
		return nil
	}
	return err
}

// MountVolatile gives the root what does not outlive a boot: /tmp, and an
// /etc that can be written above the image's own. Changes to /etc are in
// memory, under scratch.
func (r *Root) MountVolatile(scratch string) error {
	if err := r.mount("tmpfs", "tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
		return err
	}
	upper, work := filepath.Join(scratch, "upper"), filepath.Join(scratch, "work")
	for _, dir := range []string{upper, work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("overlay of /etc: %w", err)
		}
	}
	opts := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", filepath.Join(r.Dir, "etc"), upper, work)
	return r.mount("overlay", "etc", "overlay", unix.MS_NOSUID|unix.MS_NODEV, opts)
}

// Run runs a program of the image inside the root, with /dev there while it
// runs. What it prints is part of the error.
func (r *Root) Run(ctx context.Context, argv ...string) (err error) {
	dev := filepath.Join(r.Dir, "dev")
	if err := unix.Mount("/dev", dev, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("show /dev to %s: %w", argv[0], err)
	}
	defer func() { err = errors.Join(err, unix.Unmount(dev, 0)) }()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: r.Dir}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

func (r *Root) mount(source, at, fstype string, flags uintptr, data string) error {
	target := filepath.Join(r.Dir, at)
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		return fmt.Errorf("mount %s (%s) on %s: %w", source, fstype, target, err)
	}
	r.mounted = append(r.mounted, target)
	return nil
}

// Close unmounts everything and removes the mapping.
func (r *Root) Close() error {
	var errs []error
	for i := len(r.mounted) - 1; i >= 0; i-- {
		if err := unix.Unmount(r.mounted[i], 0); err != nil {
			errs = append(errs, fmt.Errorf("unmount %s: %w", r.mounted[i], err))
		}
	}
	r.mounted = nil
	if len(errs) == 0 {
		errs = append(errs, r.verity.Close())
	}
	return errors.Join(errs...)
}
