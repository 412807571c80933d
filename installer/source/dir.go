package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Dir is a directory that holds a release, like /cairn on the medium.
type Dir string

// Name is the directory.
func (d Dir) Name() string { return string(d) }

// ReadAt fills buf from a file.
func (d Dir) ReadAt(_ context.Context, file string, buf []byte, off int64) error {
	f, err := os.Open(filepath.Join(string(d), filepath.Base(file)))
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	defer f.Close()
	if _, err := f.ReadAt(buf, off); err != nil {
		return fmt.Errorf("release: read %d bytes at %d of %s: %w", len(buf), off, f.Name(), err)
	}
	return nil
}

// Whole reads a small file.
func (d Dir) Whole(_ context.Context, file string, limit int64) ([]byte, error) {
	f, err := os.Open(filepath.Join(string(d), filepath.Base(file)))
	if err != nil {
		return nil, fmt.Errorf("release: %w", err)
	}
	defer f.Close()
	return readLimited(f, limit, f.Name())
}

func readLimited(r io.Reader, limit int64, name string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("release: read %s: %w", name, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("release: %s is larger than %d bytes", name, limit)
	}
	return b, nil
}
