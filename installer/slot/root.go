package slot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

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

// Bind shows the directory dir of the initramfs at the same place of the root.
func (r *Root) Bind(dir string) error {
	return r.mount(dir, dir, "", unix.MS_BIND, "")
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
