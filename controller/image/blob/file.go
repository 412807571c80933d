package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A File store is a directory with a file for each object. Files with other
// names than ids are not its business.
type File struct{ dir string }

// OpenFile opens the store in a directory, which is made if it is absent, and
// clears away what interrupted copies have left.
func OpenFile(dir string) (*File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	parts, err := filepath.Glob(filepath.Join(dir, "*.part*"))
	for _, p := range parts {
		err = errors.Join(err, os.RemoveAll(p))
	}
	return &File{dir}, err
}

// Local is true.
func (f *File) Local() bool { return true }

func (f *File) path(id string) (string, error) {
	if !cloud.IsID(id) {
		return "", fmt.Errorf("image id %q is no UUID", id)
	}
	return filepath.Join(f.dir, id), nil
}

// Put makes a second name for the file where that is possible, else a copy.
func (f *File) Put(ctx context.Context, id, path string, progress func(int64)) error {
	to, err := f.path(id)
	if err != nil {
		return err
	}
	switch err := os.Link(path, to); {
	case err == nil:
		return f.sync()
	case errors.Is(err, fs.ErrExist):
		if same(path, to) {
			return nil
		}
	case errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := f.copy(ctx, path, to, progress); err != nil {
		return err
	}
	return f.sync()
}

// same tells whether two names are of one file.
func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// copy copies a file; what is under way ends in ".part" and some digits.
func (f *File) copy(ctx context.Context, from, to string, progress func(int64)) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	part, err := os.CreateTemp(f.dir, filepath.Base(to)+".part*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, part.Close(), os.Remove(part.Name()))
		}
	}()
	stop := func(int64) {}
	if progress != nil {
		stop = progress
	}
	if _, err := io.Copy(part, &counted{Reader: untilDone{ctx, in}, tell: stop}); err != nil {
		return err
	}
	if err := part.Sync(); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), to); err != nil {
		return err
	}
	return part.Close()
}

// untilDone reads until its context ends.
type untilDone struct {
	ctx context.Context //nolint:containedctx // of one copy
	r   io.Reader
}

// Read reads on.
func (u untilDone) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(b)
}

// sync makes names safe.
func (f *File) sync() error {
	d, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open opens the file.
func (f *File) Open(_ context.Context, id string) (io.ReadSeekCloser, error) {
	path, err := f.path(id)
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// Remove removes the file.
func (f *File) Remove(_ context.Context, id string) error {
	path, err := f.path(id)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// List reads the directory.
func (f *File) List(_ context.Context, before time.Time) ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && cloud.IsID(e.Name()) && info.ModTime().Before(before) {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}
