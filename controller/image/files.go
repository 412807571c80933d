package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// files keeps the data of images in a directory: one file for each, named by
// its id. What is under way ends in ".part" and some digits.
type files struct{ dir string }

func openFiles(dir string) (*files, error) {
	return &files{dir}, os.MkdirAll(dir, 0o700)
}

// path is an image's file. Ids are UUIDs: nothing else becomes a name.
func (f *files) path(id string) (string, error) {
	if !cloud.IsID(id) {
		return "", fmt.Errorf("image id %q is no UUID", id)
	}
	return filepath.Join(f.dir, id), nil
}

// put writes a file whole or not at all, and gives its size. check may refuse
// it when all of it was read.
func (f *files) put(id string, data io.Reader, check func(size int64) error) (size int64, err error) {
	path, err := f.path(id)
	if err != nil {
		return 0, err
	}
	part, err := os.CreateTemp(f.dir, id+".part*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, part.Close(), os.Remove(part.Name()))
		}
	}()
	buf := make([]byte, 1<<20)
	size, err = io.CopyBuffer(struct{ io.Writer }{part}, data, buf)
	if err != nil {
		return size, err
	}
	if err := check(size); err != nil {
		return size, err
	}
	if err := part.Sync(); err != nil {
		return size, err
	}
	if err := os.Rename(part.Name(), path); err != nil {
		return size, err
	}
	return size, errors.Join(part.Close(), f.sync())
}

// sync makes renames safe.
func (f *files) sync() error {
	d, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// open opens an image's file.
func (f *files) open(id string) (*os.File, error) {
	path, err := f.path(id)
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// remove removes an image's file, if there is one.
func (f *files) remove(id string) error {
	path, err := f.path(id)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sweep removes every file but those of the images to keep.
func (f *files) sweep(keep map[string]bool) (removed int, err error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if keep[e.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(f.dir, e.Name())); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
