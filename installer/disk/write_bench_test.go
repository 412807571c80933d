package disk

import (
	"errors"
	"os"
	"testing"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// BenchmarkWrite compares writing a release file, and checking it on the disk,
// with a plain copy of the same bytes to the same block device, each made
// durable, as dd bs=4M conv=fsync does it.
func BenchmarkWrite(b *testing.B) {
	dev := loopDevice(b)
	data, f := randomFile(b, 32*manifest.ChunkSize)
	c := Copy{File: f, At: 1 << 30, Room: 1 << 30}
	for _, step := range []struct {
		name string
		do   func(*Target) error
	}{
		{"write", func(t *Target) error { return t.Write(b.Context(), data, c) }},
		{"verify", func(t *Target) error { return t.Verify(b.Context(), data, c) }},
	} {
		b.Run(step.name, func(b *testing.B) {
			b.SetBytes(f.Size)
			for b.Loop() {
				target, err := Open(dev)
				if err != nil {
					b.Fatal(err)
				}
				if err := errors.Join(step.do(target), target.Close()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("dd", func(b *testing.B) {
		b.SetBytes(f.Size)
		for b.Loop() {
			copyPlain(b, dev, data.data)
		}
	})
}

func copyPlain(b *testing.B, dev string, data []byte) {
	b.Helper()
	w, err := os.OpenFile(dev, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	for at := 0; at < len(data); at += manifest.ChunkSize {
		if _, err := w.WriteAt(data[at:at+manifest.ChunkSize], int64(1<<30+at)); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Sync(); err != nil {
		b.Fatal(err)
	}
}
