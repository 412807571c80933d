// Package cache keeps copies of objects that are far away in a directory of
// this machine: as many as fit, those that were read last. What is there is
// whole and has the sum that it must have.
//
// Objects come in by a queue, one after the other; the queue outlasts a
// restart, as the copies do. It imports cloud only.
package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// An Entry is one copy.
type Entry struct {
	ID       string
	Size     int64     // bytes
	Hits     int64     // since this process started
	Read     time.Time // last
	Modified time.Time
}

// A Cache is a directory of copies, each named by its id; queued ids are empty
// files with ".queued" behind them.
type Cache struct {
	dir string
	max int64 // bytes

	mu      sync.Mutex // guards what follows
	entries map[string]*Entry
	queue   []string
	awake   chan struct{} // there is something in the queue
}

const queued = ".queued"

// Open opens the cache in a directory, which is made if it is absent, of at
// most max bytes.
func Open(dir string, limit int64) (*Cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	c := &Cache{dir: dir, max: limit, entries: map[string]*Entry{}, awake: make(chan struct{}, 1)}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return nil, err
		}
		id, waits := strings.CutSuffix(f.Name(), queued)
		switch {
		case cloud.IsID(id) && waits:
			c.queue = append(c.queue, id)
			c.wake()
		case cloud.IsID(id):
			c.entries[id] = &Entry{ID: id, Size: info.Size(), Read: info.ModTime(), Modified: info.ModTime()}
		default: // what a stop has left
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
				return nil, err
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c, c.evict(0)
}

func (c *Cache) path(id string) string { return filepath.Join(c.dir, id) }

// Open opens a copy; one that is not there is fs.ErrNotExist.
func (c *Cache) Open(id string) (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[id]
	if e == nil {
		return nil, fs.ErrNotExist
	}
	f, err := os.Open(c.path(id))
	if err == nil {
		e.Hits, e.Read = e.Hits+1, time.Now()
	}
	return f, err
}

// List gives the copies, and what is in the queue.
func (c *Cache) List() (entries []Entry, waiting []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		entries = append(entries, *e)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.ID, b.ID) })
	return entries, slices.Clone(c.queue)
}

// Enqueue has a copy made, unless there is one or it is under way.
func (c *Cache) Enqueue(id string) error {
	if !cloud.IsID(id) {
		return fmt.Errorf("image id %q is no UUID", id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[id] != nil || slices.Contains(c.queue, id) {
		return nil
	}
	if err := os.WriteFile(c.path(id)+queued, nil, 0o600); err != nil {
		return err
	}
	c.queue = append(c.queue, id)
	c.wake()
	return nil
}

func (c *Cache) wake() {
	select {
	case c.awake <- struct{}{}:
	default: // Run will look anyway
	}
}

// Remove removes a copy, and takes it out of the queue.
func (c *Cache) Remove(id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.forget(id), c.dequeue(id))
}

// Clear removes all copies, or empties the queue, or both.
func (c *Cache) Clear(copies, queue bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	if copies {
		for id := range c.entries {
			errs = append(errs, c.forget(id))
		}
	}
	if queue {
		for _, id := range slices.Clone(c.queue) {
			errs = append(errs, c.dequeue(id))
		}
	}
	return errors.Join(errs...)
}

// forget removes a copy; the lock is held.
func (c *Cache) forget(id string) error {
	if c.entries[id] == nil {
		return nil
	}
	delete(c.entries, id)
	return ignoreAbsent(os.Remove(c.path(id)))
}

// dequeue takes an id out of the queue; the lock is held.
func (c *Cache) dequeue(id string) error {
	i := slices.Index(c.queue, id)
	if i < 0 {
		return nil
	}
	c.queue = slices.Delete(c.queue, i, i+1)
	return ignoreAbsent(os.Remove(c.path(id) + queued))
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// evict removes copies, those first that were read longest ago, until so many
// bytes more fit; the lock is held.
func (c *Cache) evict(more int64) error {
	all := make([]*Entry, 0, len(c.entries))
	for _, e := range c.entries {
		all = append(all, e)
		more += e.Size
	}
	slices.SortFunc(all, func(a, b *Entry) int { return a.Read.Compare(b.Read) })
	for _, e := range all {
		if more <= c.max {
			return nil
		}
		if err := c.forget(e.ID); err != nil {
			return err
		}
		more -= e.Size
	}
	return nil
}

// A Fetch writes an object to a file and checks it.
type Fetch func(ctx context.Context, id string, to io.Writer) error

// ErrTooLarge is what a [Fetch] gives, and Run, for what would not fit.
var ErrTooLarge = errors.New("larger than the cache")

// Run makes copies of what is in the queue until ctx ends; failed hears what
// could not be copied, which leaves the queue. It looks at the queue a pause
// after something has come into it: who has asked for an object reads it
// himself just then.
func (c *Cache) Run(ctx context.Context, pause time.Duration, fetch Fetch, failed func(id string, err error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.awake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		for id := c.first(); id != ""; id = c.first() {
			err := c.copy(ctx, id, fetch)
			if ctx.Err() != nil {
				return
			}
			c.mu.Lock()
			err = errors.Join(err, c.dequeue(id))
			c.mu.Unlock()
			if err != nil {
				failed(id, err)
			}
		}
	}
}

func (c *Cache) first() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return ""
	}
	return c.queue[0]
}

// bounded counts what is written, and stops what would not fit.
type bounded struct {
	w    io.Writer
	left int64
}

// Write writes on.
func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, ErrTooLarge
	}
	return b.w.Write(p)
}

// copy makes one copy, which appears whole or not at all.
func (c *Cache) copy(ctx context.Context, id string, fetch Fetch) (err error) {
	part, err := os.CreateTemp(c.dir, id+".part*")
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, part.Close()); err != nil {
			err = errors.Join(err, ignoreAbsent(os.Remove(part.Name())))
		}
	}()
	if err := fetch(ctx, id, &bounded{part, c.max}); err != nil {
		return err
	}
	info, err := part.Stat()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.queue, id) {
		return os.Remove(part.Name()) // nobody wants it any more
	}
	if err := c.evict(info.Size()); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), c.path(id)); err != nil {
		return err
	}
	now := time.Now()
	c.entries[id] = &Entry{ID: id, Size: info.Size(), Read: now, Modified: now}
	return nil
}
