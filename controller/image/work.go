package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// holderOf is who works with a directory of state: it stays the same over
// restarts, so that a controller knows what it had begun.
func holderOf(dir string) (string, error) {
	path := filepath.Join(dir, "holder")
	b, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(b)); err == nil && cloud.IsID(id) {
		return id, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	id := cloud.NewID()
	return id, os.WriteFile(path, []byte(id+"\n"), 0o600)
}

// How often imports are looked for that another controller has accepted, how
// often what nobody has, and how long that is left alone: an upload to a store
// may just be under way.
const (
	lookEvery  = 10 * time.Second
	sweepEvery = time.Hour
	sweepYoung = 24 * time.Hour
)

// Run does imports until ctx ends, and now and then looks for what deletions
// have left in the stores. Imports that were under way at the last stop come
// first.
func (s *Service) Run(ctx context.Context) error {
	var g errgroup.Group
	defer func() { _ = g.Wait() }() // its functions return nil
	g.SetLimit(s.workers)
	sweep, look := time.NewTicker(sweepEvery), time.NewTicker(lookEvery)
	defer sweep.Stop()
	defer look.Stop()
	active := &set{ids: map[string]bool{}}
	if s.cache != nil {
		var copies sync.WaitGroup
		defer copies.Wait()
		copies.Go(func() {
			s.cache.Run(ctx, s.cachePause, s.fetchCopy, func(id string, err error) { s.log.Warn("image: cannot cache an image", "image", id, "error", err) })
		})
	}
	for {
		if err := s.startImports(ctx, &g, active); err != nil && ctx.Err() == nil {
			s.log.Error("image: cannot look for imports", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.awake:
		case <-look.C:
		case <-sweep.C:
			if n, err := s.sweepStores(ctx, sweepYoung); n > 0 || err != nil {
				s.log.Info("image: looked for data that no image has", "removed", n, "error", err)
			}
		}
	}
}

// startImports starts what this controller has accepted; it waits while as
// many run as may.
func (s *Service) startImports(ctx context.Context, g *errgroup.Group, active *set) error {
	list, err := s.tasks.List(ctx, store.Query{
		Where: []store.Cond{store.Eq("holder", s.holder), store.Or(
			store.Eq("status", taskPending),
			store.All(store.Eq("status", taskProcessing), store.Or( // of before the last stop, and what is left
				store.Lt("created_at", s.born), store.In("id", s.left.all()...))),
		)},
		Sort: []store.Sort{{Column: "created_at"}},
	})
	if err != nil {
		return err
	}
	for i := range list {
		task := &list[i]
		if !active.add(task.ID) {
			continue
		}
		g.Go(func() error {
			defer active.drop(task.ID)
			s.left.drop(task.ID)
			s.try(ctx, task)
			return nil
		})
	}
	return nil
}

// try carries out a task. One whose end could not be written down, since the
// database does not answer, is left for later.
func (s *Service) try(ctx context.Context, task *Task) {
	err := s.carryOut(ctx, task)
	if err == nil || ctx.Err() != nil {
		return
	}
	if n, derr := s.tasks.Count(ctx, store.Eq("id", task.ID), store.In("status", taskSuccess, taskFailure)); derr != nil || n == 0 {
		s.log.Warn("image: an import is tried again later", "task", task.ID, "error", err)
		s.left.add(task.ID)
	}
}

// wake tells Run that there is something to do.
func (s *Service) wake() {
	select {
	case s.awake <- struct{}{}:
	default: // it will look anyway
	}
}

// A set is ids of tasks.
type set struct {
	mu  sync.Mutex // guards ids
	ids map[string]bool
}

// add tells whether an id is new.
func (s *set) add(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids[id] {
		return false
	}
	s.ids[id] = true
	return true
}

func (s *set) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.ids))
}

func (s *set) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ids, id)
}

// A progress writes into a task how far it is, now and then, and ends it when
// its image was deleted.
type progress struct {
	s      *Service
	task   *Task
	cancel context.CancelCauseFunc
	last   time.Time
}

// progressEvery is how often progress is written.
const progressEvery = 2 * time.Second

// at notes that done of total bytes (-1: nobody knows) are there.
func (p *progress) at(ctx context.Context, what string, done, total int64) {
	if now := time.Now(); now.Sub(p.last) >= progressEvery {
		p.last = now
		text := fmt.Sprintf("%s %d MiB", what, done>>20)
		if total > 0 {
			text += fmt.Sprintf(" of %d MiB", total>>20)
		}
		if err := p.write(ctx, text); err != nil && ctx.Err() == nil {
			p.s.log.Warn("image: cannot note the progress of an import", "task", p.task.ID, "error", err)
		}
	}
}

func (p *progress) write(ctx context.Context, text string) error {
	n, err := p.s.images.Count(ctx, store.Eq("id", p.task.ImageID))
	if err == nil && n == 0 {
		p.cancel(deletedMeanwhile(p.task.ImageID))
		return nil
	}
	if err != nil {
		return err
	}
	_, err = p.s.tasks.Change(ctx, store.Set{"message": text, "updated_at": p.s.clock()}, store.Eq("id", p.task.ID))
	return err
}

// localCopy is a file with an image's data, and how to be rid of it.
func (s *Service) localCopy(ctx context.Context, img *Image, p *progress) (path string, forget func() error, err error) {
	in, err := s.open(ctx, img)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if f, ok := in.(*os.File); ok {
		return f.Name(), func() error { return nil }, nil
	}
	from := &download{r: in, tell: func(n int64) { p.at(ctx, "Read", n, *img.Size) }}
	if err := s.files.put(img.ID, placeStaged, from, func(io.ReaderAt, int64) error { return nil }); err != nil {
		return "", nil, err
	}
	path, err = s.files.path(img.ID, placeStaged)
	return path, func() error { return s.files.remove(img.ID) }, err
}

// recover takes up after a stop at any point: uploads under way are queued
// again, imports that nobody carries on may come again, and files that no
// image has are removed.
func (s *Service) recover(ctx context.Context) error {
	mine := store.Or(store.Eq("holder", s.holder), store.Eq("holder", nil))
	if _, err := s.images.Change(ctx, store.Set{"status": statusQueued, "holder": nil}, store.Eq("status", statusSaving), mine); err != nil {
		return err
	}
	goesOn, err := s.tasks.List(ctx, store.Query{Where: []store.Cond{store.In("status", taskPending, taskProcessing)}})
	if err != nil {
		return err
	}
	var importing []string
	for i := range goesOn {
		importing = append(importing, goesOn[i].ImageID)
	}
	conds := []store.Cond{store.Eq("status", statusImporting), mine}
	for _, id := range importing {
		conds = append(conds, store.Ne("id", id))
	}
	if _, err := s.images.Change(ctx, store.Set{"status": statusUploading, "holder": nil}, conds...); err != nil {
		return err
	}
	staged, err := s.staged.List(ctx, store.Query{})
	if err != nil {
		return err
	}
	keep, ids := map[string]bool{}, []string{}
	for i := range staged {
		keep[staged[i].ImageID+string(staged[i].Place)] = true
		ids = append(ids, staged[i].ImageID)
	}
	conds = []store.Cond{store.Eq("status", statusUploading), mine}
	for _, id := range ids {
		conds = append(conds, store.Ne("id", id))
	}
	if _, err := s.images.Change(ctx, store.Set{"status": statusQueued, "holder": nil}, conds...); err != nil {
		return err
	}
	return s.clear(ctx, keep)
}

// clear removes files that no image has, of those on this machine.
func (s *Service) clear(ctx context.Context, keep map[string]bool) error {
	removed, err := s.files.sweep(keep)
	if err != nil {
		return err
	}
	for _, b := range slices.Clone(s.stores) {
		if !b.Local() {
			continue
		}
		n, err := s.sweepStore(ctx, b, 0)
		if removed += n; err != nil {
			return err
		}
	}
	if removed > 0 {
		s.log.Info("image: removed what interrupted uploads and deletions left", "files", removed)
	}
	return nil
}
