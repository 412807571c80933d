package disk

import (
	"context"
	"fmt"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// Verify reads a written file back from the disk, past the page cache, and
// checks every chunk. One that was not checked before and is wrong is fetched
// again, checked this time, written, and read back.
func (t *Target) Verify(ctx context.Context, from Chunks, c Copy) error {
	return t.each(ctx, c, func(ctx context.Context, i int, buf []byte) error {
		return t.verify(ctx, from, c, i, buf)
	})
}

func (t *Target) verify(ctx context.Context, from Chunks, c Copy, i int, buf []byte) error {
	if err := t.read(c, i, buf); err != nil {
		return err
	}
	wrong := c.File.CheckChunk(i, buf[:c.File.ChunkLen(i)])
	if wrong == nil {
		return nil
	}
	if !c.Late {
		return fmt.Errorf("disk %s does not hold what was written to it: %w", t.Path, wrong)
	}
	if c.Again != nil {
		c.Again(fmt.Errorf("it came damaged, or disk %s has damaged it: %w", t.Path, wrong))
	}
	if err := t.put(ctx, from.Chunk, c, i, buf); err != nil {
		return err
	}
	c.Late = false // now it is known what was written
	return t.verify(ctx, from, c, i, buf)
}

// right tells whether the disk holds a chunk already.
func (t *Target) right(c Copy, i int, buf []byte) bool {
	return t.read(c, i, buf) == nil && c.File.CheckChunk(i, buf[:c.File.ChunkLen(i)]) == nil
}

func (t *Target) read(c Copy, i int, buf []byte) error {
	n := align(c.File.ChunkLen(i))
	if _, err := t.direct.ReadAt(buf[:n], c.At+int64(i)*manifest.ChunkSize); err != nil {
		return fmt.Errorf("disk %s: read %s chunk %d: %w", t.Path, c.File.Name, i, err)
	}
	return nil
}
