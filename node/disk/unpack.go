package disk

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/cairn-cloud/cairn/node/imagecache"
)

// defaultRoot is how many bytes a tree may have at least.
const defaultRoot = 4 * gib

// ids is how many users and groups a container has.
const ids = 65_536

// unpack makes a tree from a tar archive, plain or compressed by zstd. Nothing
// is written outside of dir, whatever names and links the archive has. Owners
// are moved up by base; devices are left out, since a container gets its own.
func unpack(ctx context.Context, archive, dir string, base int, limit int64) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReader(f)
	src := io.Reader(in)
	if magic, err := in.Peek(4); err == nil && string(magic) == "\x28\xb5\x2f\xfd" {
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
		if err != nil {
			return err
		}
		defer z.Close()
		src = z
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	u := &unpacker{root: root, base: base, left: limit}
	if err := u.own(".", 0, 0); err != nil {
		return err
	}
	tr := tar.NewReader(src)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return u.finish()
		}
		if err != nil {
			return fmt.Errorf("%w: %w", imagecache.ErrImage, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := u.entry(h, tr); err != nil {
			return fmt.Errorf("%w: %s: %w", imagecache.ErrImage, h.Name, err)
		}
	}
}

// An unpacker writes entries below a root.
type unpacker struct {
	root *os.Root
	base int
	left int64 // bytes that may still be written
	dirs []*tar.Header
}

func (u *unpacker) entry(h *tar.Header, body io.Reader) error {
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if name == "" {
		name = "."
	}
	if dir := path.Dir(name); dir != "." {
		if err := u.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if h.Typeflag != tar.TypeDir && name != "." {
		if err := u.root.RemoveAll(name); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := u.root.MkdirAll(name, 0o755); err != nil {
			return err
		}
		c := *h
		c.Name = name
		u.dirs = append(u.dirs, &c) // modes last: one could lock us out
		return u.own(name, h.Uid, h.Gid)
	case tar.TypeReg:
		return u.file(name, h, body)
	case tar.TypeSymlink:
		if err := u.root.Symlink(h.Linkname, name); err != nil {
			return err
		}
		return u.own(name, h.Uid, h.Gid)
	case tar.TypeLink:
		return u.root.Link(strings.TrimPrefix(path.Clean("/"+h.Linkname), "/"), name)
	default:
		return nil
	}
}

func (u *unpacker) file(name string, h *tar.Header, body io.Reader) error {
	if u.left -= h.Size; u.left < 0 {
		return errors.New("the tree is larger than the guest's disk")
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := u.own(name, h.Uid, h.Gid); err != nil { // before the mode: it clears setuid
		return err
	}
	return u.root.Chmod(name, mode(h))
}

func mode(h *tar.Header) fs.FileMode {
	return h.FileInfo().Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
}

// own gives a file to a user and group of the container.
func (u *unpacker) own(name string, uid, gid int) error {
	if u.base == 0 {
		return nil
	}
	if uid < 0 || uid >= ids || gid < 0 || gid >= ids {
		return fmt.Errorf("its owner is %d:%d; allowed: below %d", uid, gid, ids)
	}
	return u.root.Lchown(name, u.base+uid, u.base+gid)
}

// finish sets the modes of directories, and makes those that a container is
// mounted on.
func (u *unpacker) finish() error {
	for _, name := range []string{"dev", "proc", "sys"} {
		if _, err := u.root.Lstat(name); err == nil {
			continue
		}
		if err := u.root.Mkdir(name, 0o755); err != nil {
			return err
		}
		if err := u.own(name, 0, 0); err != nil {
			return err
		}
	}
	for _, h := range u.dirs {
		if err := u.root.Chmod(h.Name, mode(h)); err != nil {
			return err
		}
	}
	return nil
}
