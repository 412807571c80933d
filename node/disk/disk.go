// Package disk makes what guests boot from, out of images: a disk over an
// image that many share, copies of kernel and RAM disk, or the root tree of a
// container. Each guest has one directory, and removing it leaves nothing.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cairn-cloud/cairn/node/guest"
	"github.com/cairn-cloud/cairn/node/host"
	"github.com/cairn-cloud/cairn/node/imagecache"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Images gives images that have been checked, and forgets those that nobody
// has fetched since before and whose digest is not in keep.
type Images interface {
	Fetch(ctx context.Context, i spec.Image) (path string, err error)
	Prune(keep map[string]bool, before time.Time) (freed int64, err error)
}

// A Store is the directories of all guests of a host.
type Store struct {
	dir    string
	images Images
}

// New returns the store in a directory, which is made if absent. The users
// that guests run as have to be able to pass through it.
func New(dir string, images Images) (*Store, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, fmt.Errorf("guests: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, fmt.Errorf("guests: %w", err)
	}
	return &Store{dir: dir, images: images}, nil
}

func (s *Store) path(id, name string) string { return filepath.Join(s.dir, id, name) }

// Console is that of agent.Store.
func (s *Store) Console(id string) string { return s.path(id, "console.log") }

// Remove is that of agent.Store.
func (s *Store) Remove(_ context.Context, id string) error {
	dir := filepath.Join(s.dir, id)
	if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the files of guest %s: %w", id, err)
	}
	return host.SyncDir(s.dir)
}

// Forget is that of agent.Store.
func (s *Store) Forget(_ context.Context, keep []spec.Image, before time.Time) (int64, error) {
	digests := map[string]bool{}
	for _, i := range keep {
		digests[i.SHA512] = true
	}
	return s.images.Prune(digests, before)
}

// Prepare is that of agent.Store. What is there already stays as it is.
func (s *Store) Prepare(ctx context.Context, g spec.Guest, out *guest.Spec, step func(string)) error {
	if err := os.MkdirAll(filepath.Join(s.dir, out.ID), 0o711); err != nil {
		return err
	}
	if err := touch(s.Console(out.ID)); err != nil {
		return err
	}
	if g.Driver == spec.DriverLXC {
		return s.prepareRoot(ctx, g, out, step)
	}
	if err := s.prepareBoot(ctx, g, out, step); err != nil {
		return err
	}
	return s.prepareDisk(ctx, g, out, step)
}

// touch makes a file for the console, which the hypervisor appends to.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// prepareBoot makes the guest's own copies of kernel and RAM disk: QEMU's
// account becomes their owner, and nobody may change what others share.
func (s *Store) prepareBoot(ctx context.Context, g spec.Guest, out *guest.Spec, step func(string)) error {
	for _, f := range []struct {
		name  string
		image *spec.Image
		to    *string
	}{{"kernel", g.Kernel, &out.Kernel}, {"ramdisk", g.Ramdisk, &out.Ramdisk}} {
		if f.image == nil {
			continue
		}
		path := s.path(out.ID, f.name)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			step(f.name)
			if err := s.copyImage(ctx, *f.image, path); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		*f.to = path
	}
	return nil
}

func (s *Store) copyImage(ctx context.Context, i spec.Image, to string) error {
	from, err := s.images.Fetch(ctx, i)
	if err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return host.ReplaceFile(to, 0o600, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

const gib = 1 << 30

// prepareDisk makes a disk over the image. A guest that boots a kernel and a
// RAM disk can do without.
func (s *Store) prepareDisk(ctx context.Context, g spec.Guest, out *guest.Spec, step func(string)) error {
	if g.Image.ID == "" || g.Image.Format == "aki" || g.Image.Format == "ari" {
		return nil
	}
	format := "raw" // ami is raw too
	if g.Image.Format == "qcow2" {
		format = "qcow2"
	}
	if g.Image.Format != "raw" && g.Image.Format != "ami" && g.Image.Format != "qcow2" {
		return fmt.Errorf("%w: its format is %q; allowed: raw, qcow2, ami, aki, ari, root-tar", imagecache.ErrImage, g.Image.Format)
	}
	step("image")
	base, err := s.images.Fetch(ctx, g.Image)
	if err != nil {
		return err
	}
	virtual, err := imagecache.CheckHeader(base, format)
	if err != nil {
		return err
	}
	path := s.path(out.ID, "disk.qcow2")
	out.Disk = &guest.Disk{Path: path, Format: "qcow2", Backing: base, BackingFormat: format}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	step("disk")
	return overlay(ctx, out.Disk, max(virtual, int64(g.DiskGiB)*gib))
}

// overlay makes a disk of a size in bytes, rounded up to whole sectors, under
// another name first.
func overlay(ctx context.Context, d *guest.Disk, size int64) error {
	const sector = 512
	size = (size + sector - 1) / sector * sector
	part := d.Path + ".part"
	if _, err := host.Run(ctx, "qemu-img", "create", "-q", "-f", d.Format, "-F", d.BackingFormat, "-b", d.Backing, part, strconv.FormatInt(size, 10)); err != nil {
		return fmt.Errorf("make a disk: %w", err)
	}
	f, err := os.Open(part)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, d.Path); err != nil {
		return err
	}
	return host.SyncDir(filepath.Dir(d.Path))
}

// prepareRoot unpacks a container's tree under another name first.
func (s *Store) prepareRoot(ctx context.Context, g spec.Guest, out *guest.Spec, step func(string)) error {
	if g.Image.Format != "root-tar" {
		return fmt.Errorf("%w: its format is %q; a container wants root-tar", imagecache.ErrImage, g.Image.Format)
	}
	out.Root = s.path(out.ID, "root")
	if _, err := os.Stat(out.Root); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	step("image")
	from, err := s.images.Fetch(ctx, g.Image)
	if err != nil {
		return err
	}
	step("root")
	part := out.Root + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := unpack(ctx, from, part, out.IDBase, max(defaultRoot, int64(g.DiskGiB)*gib)); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	if err := os.Rename(part, out.Root); err != nil {
		return err
	}
	return host.SyncDir(filepath.Dir(out.Root))
}
