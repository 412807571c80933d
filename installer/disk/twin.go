package disk

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// A Twin takes the bytes of a release from a disk that was just written, for
// the second one of a mirror: they need not come over the network again. What
// the disk does not have, or not as it should be, comes from where the disk had
// it.
type Twin struct {
	f    *os.File
	at   map[string]int64 // by the file's name
	rest Chunks
}

// OpenTwin reads what was copied to the disk at path. rest is where it came
// from.
func OpenTwin(path string, copies []Copy, rest Chunks) (*Twin, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECT, 0)
	if errors.Is(err, unix.EINVAL) {
		f, err = os.Open(path) // a file where that cannot be
	}
	if err != nil {
		return nil, fmt.Errorf("first disk of the mirror: %w", err)
	}
	t := &Twin{f: f, at: map[string]int64{}, rest: rest}
	for _, c := range copies {
		t.at[c.File.Name] = c.At
	}
	return t, nil
}

// Close gives the disk back.
func (t *Twin) Close() error { return t.f.Close() }

// Fetch reads a chunk as it is.
func (t *Twin) Fetch(ctx context.Context, f *manifest.File, i int, buf []byte) error {
	if t.read(f, i, buf) {
		return nil
	}
	return t.rest.Fetch(ctx, f, i, buf)
}

// Chunk reads a chunk and checks it.
func (t *Twin) Chunk(ctx context.Context, f *manifest.File, i int, buf []byte) error {
	if t.read(f, i, buf) && f.CheckChunk(i, buf) == nil {
		return nil
	}
	return t.rest.Chunk(ctx, f, i, buf)
}

// read needs room behind buf for whole sectors, as [Target] gives it.
func (t *Twin) read(f *manifest.File, i int, buf []byte) bool {
	at, ok := t.at[f.Name]
	n := align(int64(len(buf)))
	if !ok || n > int64(cap(buf)) {
		return false
	}
	_, err := t.f.ReadAt(buf[:n], at+int64(i)*manifest.ChunkSize)
	return err == nil
}
