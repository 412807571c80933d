package disk

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// Chunks is where the bytes of a release come from. Both methods fill buf with
// chunk i of a file.
type Chunks interface {
	// Fetch takes the chunk as it comes.
	Fetch(ctx context.Context, f *manifest.File, i int, buf []byte) error
	// Chunk checks it against the manifest.
	Chunk(ctx context.Context, f *manifest.File, i int, buf []byte) error
}

// workers is how many chunks are under way at once: one is fetched, one
// written, one between the two. Memory is that many chunks.
const workers = 3

// sectorAlign is what direct I/O wants of offsets and lengths, in bytes.
const sectorAlign = 4096

// A Copy is one file of the release on its way to a place of the disk.
type Copy struct {
	File   manifest.File
	At     int64 // bytes from the start of the disk; a multiple of 1 MiB
	Room   int64 // bytes there
	Resume bool  // chunks that are right on the disk already are not fetched
	// Next says which chunk of those behind the first Write takes up next, each
	// once, and false when there is none left; from several goroutines. nil: in
	// their order.
	Next func(context.Context) (i int, ok bool)
	// Has is told which chunk lies on the disk, not yet durable, from several
	// goroutines. It may be nil.
	Has func(i int)
	// Progress is told how many bytes are done, from several goroutines.
	Progress func(done int64)
	// Again is told which chunk Verify fetches once more and why; from several
	// goroutines. It may be nil.
	Again func(why error)
}

// Write copies a file of the release to the disk, all but its first chunk, and
// as it comes. What is there afterwards is not to be trusted, and nothing takes
// it for a file system: those begin in the first chunk, and [Target.Partition]
// has cleared its place. [Target.Verify] makes it count. So every byte is
// hashed once, where it lies, and writing waits for no check.
//
// Nothing is durable before [Target.Sync].
func (t *Target) Write(ctx context.Context, from Chunks, c Copy) error {
	if c.File.Size > c.Room {
		return fmt.Errorf("%s has %d bytes, and its place on %s only %d", c.File.Name, c.File.Size, t.Path, c.Room)
	}
	return t.each(ctx, c, func(ctx context.Context, i int, buf []byte) error {
		if c.Resume && t.right(c, i, buf) {
			c.has(i)
			return nil
		}
		return t.put(ctx, from.Fetch, c, i, buf)
	})
}

// put fetches a chunk and writes it.
func (t *Target) put(ctx context.Context, fetch fetch, c Copy, i int, buf []byte) error {
	n := c.File.ChunkLen(i)
	if err := fetch(ctx, &c.File, i, buf[:n]); err != nil {
		return err
	}
	clear(buf[n:])
	if _, err := t.direct.WriteAt(buf[:align(n)], c.At+int64(i)*manifest.ChunkSize); err != nil {
		return fmt.Errorf("disk %s: write %s chunk %d: %w", t.Path, c.File.Name, i, err)
	}
	c.has(i)
	return nil
}

// fetch is a method of [Chunks].
type fetch func(ctx context.Context, f *manifest.File, i int, buf []byte) error

func align(n int64) int64 { return (n + sectorAlign - 1) / sectorAlign * sectorAlign }

// each does something for every chunk but the first, a few at a time, in the
// order of c.
func (t *Target) each(ctx context.Context, c Copy, do func(ctx context.Context, i int, buf []byte) error) error {
	var done atomic.Int64
	next := c.next()
	rest := c.File.Size - c.File.ChunkLen(0)
	g, ctx := errgroup.WithContext(ctx)
	for range min(workers, len(c.File.Chunks)-1) {
		g.Go(func() error {
			return withBuffer(func(buf []byte) (err error) {
				for err == nil && ctx.Err() == nil {
					i, ok := next(ctx)
					if !ok {
						break
					}
					if err = do(ctx, i, buf); err == nil {
						c.tell(done.Add(c.File.ChunkLen(i)))
					}
				}
				return err
			})
		})
	}
	err := g.Wait()
	if err == nil && done.Load() < rest {
		err = context.Cause(ctx) // cut off from outside
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.File.Name, err)
	}
	return nil
}

// next is the order of the chunks.
func (c *Copy) next() func(context.Context) (int, bool) {
	if c.Next != nil {
		return c.Next
	}
	var last atomic.Int64
	return func(context.Context) (int, bool) {
		i := int(last.Add(1))
		return i, i < len(c.File.Chunks)
	}
}

func (c *Copy) has(i int) {
	if c.Has != nil {
		c.Has(i)
	}
}

func (c *Copy) tell(done int64) {
	if c.Progress != nil {
		c.Progress(done)
	}
}

// withBuffer lends room for one chunk on a page border, as direct I/O wants.
func withBuffer(do func(buf []byte) error) error {
	b, err := unix.Mmap(-1, 0, manifest.ChunkSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("memory for a chunk: %w", err)
	}
	return errors.Join(do(b), unix.Munmap(b))
}

// WriteFooter completes a slot: from now on it can be booted. It is called
// last, when all else is durable, and is durable itself when it returns.
func (t *Target) WriteFooter(footer []byte, slotStart, slotSize int64) error {
	if len(footer) != manifest.FooterSize {
		return fmt.Errorf("slot footer has %d bytes; allowed: %d", len(footer), manifest.FooterSize)
	}
	if err := t.Sync(); err != nil {
		return err
	}
	// The first sector last: the mark of an installation under way stays until
	// a disk, which writes a sector whole or not at all, has all of the footer.
	at := slotStart + slotSize - manifest.FooterSize
	if err := t.writeAt(footer[bootSector:], at+bootSector, "the footer of the slot"); err != nil {
		return err
	}
	if err := t.Sync(); err != nil {
		return err
	}
	if err := t.writeAt(footer[:bootSector], at, "the footer of the slot"); err != nil {
		return err
	}
	return t.Sync()
}
