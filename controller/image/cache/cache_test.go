package cache

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// run runs a cache whose objects are size bytes each, "bad" ones fail.
func run(t *testing.T, c *Cache, size int, bad string) (failed func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx, time.Millisecond, func(_ context.Context, id string, to io.Writer) error {
			if _, err := io.WriteString(to, strings.Repeat("x", size)); err != nil {
				return err
			}
			if id == bad {
				return errors.New("not what it should be")
			}
			return nil
		}, func(id string, _ error) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, id)
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// settled waits until nothing is in the queue.
func settled(t *testing.T, c *Cache) (ids []string) {
	t.Helper()
	for t.Context().Err() == nil {
		entries, waiting := c.List()
		if len(waiting) > 0 {
			time.Sleep(time.Millisecond) // looks again
			continue
		}
		for _, e := range entries {
			ids = append(ids, e.ID)
		}
		return ids
	}
	t.Fatal("the queue does not become empty")
	return nil
}

func want(t *testing.T, c *Cache, ids ...string) {
	t.Helper()
	got := settled(t, c)
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		t.Errorf("cached: %v, want %v", got, ids)
	}
}

// As much is kept as fits; what was read longest ago goes first.
func TestLRU(t *testing.T) {
	dir := t.TempDir()
	c, err := Open(dir, 250)
	if err != nil {
		t.Fatal(err)
	}
	a, b, d, bad := cloud.NewID(), cloud.NewID(), cloud.NewID(), cloud.NewID()
	failed := run(t, c, 100, bad)
	enqueue := func(id string) {
		if err := c.Enqueue(id); err != nil {
			t.Fatal(err)
		}
	}
	enqueue(a)
	enqueue(b)
	want(t, c, a, b)
	f, err := c.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	enqueue(d)
	want(t, c, a, d)
	if _, err := c.Open(b); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open what is gone: %v", err)
	}
	enqueue(bad)
	want(t, c, a, d)
	if got := failed(); !slices.Equal(got, []string{bad}) {
		t.Errorf("failed: %v, want %s", got, bad)
	}
	if err := c.Enqueue("../x"); err == nil {
		t.Error("a path was queued")
	}
	entries, _ := c.List()
	for _, e := range entries {
		if e.Size != 100 || (e.ID == a) != (e.Hits == 1) {
			t.Errorf("entry %+v", e)
		}
	}
	if err := c.Remove(a); err != nil {
		t.Fatal(err)
	}
	want(t, c, d)
	if data, err := io.ReadAll(f); err != nil || len(data) != 100 {
		t.Errorf("what was open before it was removed: %d bytes, %v", len(data), err)
	}
	if err := c.Clear(true, true); err != nil {
		t.Fatal(err)
	}
	want(t, c)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files left: %v (%v)", left, err)
	}
}

// What is larger than all of it is not kept.
func TestTooLarge(t *testing.T) {
	c, err := Open(t.TempDir(), 50)
	if err != nil {
		t.Fatal(err)
	}
	failed := run(t, c, 100, "")
	id := cloud.NewID()
	if err := c.Enqueue(id); err != nil {
		t.Fatal(err)
	}
	if want(t, c); !slices.Equal(failed(), []string{id}) {
		t.Errorf("failed: %v, want %s", failed(), id)
	}
}

// Copies and the queue outlast a restart; what was half copied does not.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	c, err := Open(dir, 1000)
	if err != nil {
		t.Fatal(err)
	}
	there, waits := cloud.NewID(), cloud.NewID()
	for name, text := range map[string]string{there: "data", waits + ".part1": "da"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Enqueue(waits); err != nil {
		t.Fatal(err)
	}
	if c, err = Open(dir, 1000); err != nil {
		t.Fatal(err)
	}
	if entries, waiting := c.List(); len(entries) != 1 || !slices.Equal(waiting, []string{waits}) {
		t.Errorf("entries %v, waiting %v", entries, waiting)
	}
	run(t, c, 10, "")
	want(t, c, there, waits)
}
