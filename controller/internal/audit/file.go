package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
)

// How much is kept: the file that is written to, and those before it.
const (
	fileName = "audit.log"
	maxSize  = 64 << 20 // bytes
	maxOld   = 16       // files
)

// A File is a directory with audit.log, which is written to, and older ones,
// audit-<time>.log. Only its owner can read them.
type File struct {
	dir     string
	log     *slog.Logger
	maxSize int64

	mu    sync.Mutex // guards the rest
	f     *os.File
	size  int64
	dirty bool // written since it was last on disk
}

// Open opens the directory, made if absent, and goes on where its file ends.
func Open(dir string, log *slog.Logger) (*File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	a := &File{dir: dir, log: log, maxSize: maxSize}
	if err := a.open(); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return a, nil
}

func (a *File) open() error {
	f, err := os.OpenFile(filepath.Join(a.dir, fileName), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	a.f, a.size = f, info.Size()
	return nil
}

// Tell writes the event of a request. What cannot be written goes to the log,
// so that it is not lost: requests go on.
func (a *File) Tell(d *api.Done) {
	e, ok := Of(d)
	if !ok {
		return
	}
	line, err := json.Marshal(e)
	if err == nil {
		err = a.write(append(line, '\n'))
	}
	if err != nil {
		a.log.Error("audit: cannot write an event", "error", err, "event", string(line))
	}
}

func (a *File) write(line []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.f == nil {
		return os.ErrClosed
	}
	if a.size > 0 && a.size+int64(len(line)) > a.maxSize {
		if err := a.rotate(); err != nil {
			return err
		}
	}
	n, err := a.f.Write(line)
	a.size, a.dirty = a.size+int64(n), true
	return err
}

// rotate puts the file aside and begins another one. The oldest go.
func (a *File) rotate() error {
	old := filepath.Join(a.dir, "audit-"+time.Now().UTC().Format("20060102T150405.000000000Z")+".log")
	if err := errors.Join(a.f.Sync(), os.Rename(a.f.Name(), old), a.f.Close()); err != nil {
		return err
	}
	a.f = nil
	if err := a.open(); err != nil {
		return err
	}
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return !strings.HasPrefix(e.Name(), "audit-") })
	for len(entries) > maxOld { // names are times: the first is the oldest
		if err := os.Remove(filepath.Join(a.dir, entries[0].Name())); err != nil {
			return err
		}
		entries = entries[1:]
	}
	return nil
}

// Run brings what is written to the disk, once a second, until ctx ends.
func (a *File) Run(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := a.sync(); err != nil {
			a.log.Error("audit: events are not on disk", "error", err)
		}
	}
}

func (a *File) sync() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.dirty || a.f == nil {
		return nil
	}
	a.dirty = false
	return a.f.Sync()
}

// Close brings everything to the disk and closes the file.
func (a *File) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.f == nil {
		return nil
	}
	err := errors.Join(a.f.Sync(), a.f.Close())
	a.f = nil
	return err
}
