package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// files keeps what was received and is no image's data yet: one file for each
// image, named by its id and its place. What is under way ends in ".part" and
// some digits.
type files struct{ dir string }

// A place is what follows the id in a file's name.
type place string

const (
	placeStaged    place = ".staged"    // as it was received
	placeConverted place = ".converted" // made of it
)

// places are all that there are.
func places() []place { return []place{placeStaged, placeConverted} }

func openFiles(dir string) (*files, error) {
	return &files{dir}, os.MkdirAll(dir, 0o700)
}

// path is an image's file. Ids are UUIDs: nothing else becomes a name.
func (f *files) path(id string, p place) (string, error) {
	if !cloud.IsID(id) {
		return "", fmt.Errorf("image id %q is no UUID", id)
	}
	return filepath.Join(f.dir, id+string(p)), nil
}

// put writes a file whole or not at all. check may refuse it when all of it,
// size bytes, was read.
func (f *files) put(id string, p place, data io.Reader, check func(file io.ReaderAt, size int64) error) (err error) {
	path, err := f.path(id, p)
	if err != nil {
		return err
	}
	part, err := os.CreateTemp(f.dir, id+".part*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, part.Close(), os.Remove(part.Name()))
		}
	}()
	buf := make([]byte, 1<<20)
	size, err := io.CopyBuffer(struct{ io.Writer }{part}, data, buf)
	if err != nil {
		return err
	}
	if err := check(part, size); err != nil {
		return err
	}
	if err := part.Sync(); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), path); err != nil {
		return err
	}
	return errors.Join(part.Close(), f.sync())
}

// sync makes renames safe.
func (f *files) sync() error {
	d, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// remove removes an image's files, if there are any.
func (f *files) remove(id string) error {
	for _, p := range places() {
		if err := f.removePlace(id, p); err != nil {
			return err
		}
	}
	return nil
}

// removePlace removes one of an image's files, if it is there.
func (f *files) removePlace(id string, p place) error {
	path, err := f.path(id, p)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sweep removes every file of a place but those to keep, by their names, and
// what was under way.
func (f *files) sweep(keep map[string]bool) (removed int, err error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if keep[e.Name()] || cloud.IsID(e.Name()) || e.IsDir() && !strings.Contains(e.Name(), ".part") {
			continue
		}
		if err := os.RemoveAll(filepath.Join(f.dir, e.Name())); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
