package disk

import (
	"context"
	"fmt"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// Verify makes a written file count: it reads it back from the disk, past the
// page cache, checks every chunk, and when all are durable completes it with
// its first one. A chunk that is wrong is fetched again, checked this time,
// written, and read back.
func (t *Target) Verify(ctx context.Context, from Chunks, c Copy) error {
	if len(c.File.Chunks) == 0 {
		return nil
	}
	c.Next = nil // this time in their order
	err := t.each(ctx, c, func(ctx context.Context, i int, buf []byte) error {
		wrong, err := t.check(c, i, buf)
		if err != nil || wrong == nil {
			return err
		}
		if c.Again != nil {
			c.Again(fmt.Errorf("it came damaged, or disk %s has damaged it: %w", t.Path, wrong))
		}
		return t.putChecked(ctx, from, c, i, buf)
	})
	if err != nil {
		return err
	}
	if err := t.Sync(); err != nil {
		return err
	}
	return withBuffer(func(buf []byte) error {
		if err := t.putChecked(ctx, from, c, 0, buf); err != nil {
			return fmt.Errorf("%s: %w", c.File.Name, err)
		}
		c.tell(c.File.Size)
		return nil
	})
}

// putChecked writes a chunk that is known to be right, and reads it back.
func (t *Target) putChecked(ctx context.Context, from Chunks, c Copy, i int, buf []byte) error {
	if err := t.put(ctx, from.Chunk, c, i, buf); err != nil {
		return err
	}
	wrong, err := t.check(c, i, buf)
	if wrong != nil {
		return fmt.Errorf("disk %s does not hold what was written to it: %w", t.Path, wrong)
	}
	return err
}

// check reads a chunk from the disk and says what is wrong with it; err is
// about reading.
func (t *Target) check(c Copy, i int, buf []byte) (wrong, err error) {
	if err := t.read(c, i, buf); err != nil {
		return nil, err
	}
	return c.File.CheckChunk(i, buf[:c.File.ChunkLen(i)]), nil
}

// right tells whether the disk holds a chunk already.
func (t *Target) right(c Copy, i int, buf []byte) bool {
	wrong, err := t.check(c, i, buf)
	return wrong == nil && err == nil
}

func (t *Target) read(c Copy, i int, buf []byte) error {
	n := align(c.File.ChunkLen(i))
	if _, err := t.direct.ReadAt(buf[:n], c.At+int64(i)*manifest.ChunkSize); err != nil {
		return fmt.Errorf("disk %s: read %s chunk %d: %w", t.Path, c.File.Name, i, err)
	}
	return nil
}
