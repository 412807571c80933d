package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/image/blob"
	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// storeID names the store that there is where nobody says otherwise: files of
// this machine.
const storeID = "file"

// A backend is a store with what clients see of it.
type backend struct {
	blob.Store
	id, kind, about string
	properties      map[string]any // for administrators
}

// stores are all backends; the first one is the default.
type stores []backend

// String is the ids, for messages.
func (s stores) String() string { return strings.Join(s.ids(), ", ") }

func (s stores) ids() []string {
	var ids []string
	for _, b := range s {
		ids = append(ids, b.id)
	}
	return ids
}

func (s stores) first() string { return s[0].id }

func (s stores) has(id string) bool { return slices.Contains(s.ids(), id) }

func (s stores) get(id string) (backend, error) {
	i := slices.IndexFunc(s, func(b backend) bool { return b.id == id })
	if i < 0 {
		return backend{}, fmt.Errorf("store %q is not configured any more", id)
	}
	return s[i], nil
}

// put keeps the content of a file in a store.
func (s stores) put(ctx context.Context, to, id, path string, progress func(int64)) error {
	b, err := s.get(to)
	if err != nil {
		return err
	}
	if err := b.Put(ctx, id, path, progress); err != nil {
		return noSpace(fmt.Errorf("store %s: %w", to, err))
	}
	return nil
}

// remove removes an image's data from stores, whether its client still waits
// or not. What cannot be removed now is swept later.
func (s stores) remove(ctx context.Context, id string, from []string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var errs []error
	for _, name := range from {
		b, err := s.get(name)
		if err == nil {
			err = b.Remove(ctx, id)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// open opens an image's data: in a local store if there is one, else in the
// cache, else in the next store that has it.
func (s *Service) open(ctx context.Context, img *Image) (io.ReadSeekCloser, error) {
	if f := s.fromCache(img); f != nil {
		return f, nil
	}
	return s.openStored(ctx, img)
}

// openStored opens an image's data in a store.
func (s *Service) openStored(ctx context.Context, img *Image) (io.ReadSeekCloser, error) {
	var errs []error
	for _, local := range []bool{true, false} {
		for _, name := range img.StoreIDs {
			b, err := s.stores.get(name)
			if err == nil && b.Local() != local {
				continue
			}
			var f io.ReadSeekCloser
			if err == nil {
				f, err = b.Open(ctx, img.ID)
			}
			if err == nil {
				return f, nil
			}
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		errs = []error{fs.ErrNotExist}
	}
	return nil, errors.Join(errs...)
}

// storesText is a list of stores as its column has it.
func storesText(ids []string) string {
	b, err := json.Marshal(ids)
	if err != nil || ids == nil {
		return "[]"
	}
	return string(b)
}

// infoStores answers GET /info/stores.
func (s *Service) infoStores(_ context.Context, c *api.Call) error {
	list := []any{}
	for i, b := range s.stores {
		e := map[string]string{"id": b.id, "description": b.about}
		if i == 0 {
			e["default"] = "true"
		}
		list = append(list, e)
	}
	return c.JSON(http.StatusOK, map[string]any{"stores": list})
}

// infoStoresDetail answers GET /info/stores/detail.
func (s *Service) infoStoresDetail(_ context.Context, c *api.Call) error {
	list := []any{}
	for i, b := range s.stores {
		e := map[string]any{"id": b.id, "type": b.kind, "description": b.about, "weight": 0, "properties": b.properties}
		if i == 0 {
			e["default"] = "true"
		}
		list = append(list, e)
	}
	return c.JSON(http.StatusOK, map[string]any{"stores": list})
}

// infoImport answers GET /info/import.
func (s *Service) infoImport(_ context.Context, c *api.Call) error {
	return c.JSON(http.StatusOK, map[string]any{"import-methods": map[string]any{
		"description": "Import methods available.", "type": "array", "value": s.importMethods(),
	}})
}

// sweepStores removes data that no image has and nobody works on: what is left
// of deletions and uploads that were interrupted.
func (s *Service) sweepStores(ctx context.Context, young time.Duration) (removed int, err error) {
	for _, b := range s.stores {
		n, err := s.sweepStore(ctx, b, young)
		if removed += n; err != nil {
			return removed, fmt.Errorf("store %s: %w", b.id, err)
		}
	}
	return removed, nil
}

func (s *Service) sweepStore(ctx context.Context, b backend, young time.Duration) (removed int, err error) {
	ids, err := b.List(ctx, time.Now().Add(-young))
	if err != nil {
		return 0, err
	}
	for part := range slices.Chunk(ids, 500) {
		known, err := s.images.List(ctx, store.Query{Where: []store.Cond{store.In("id", part...)}})
		if err != nil {
			return removed, err
		}
		keep := map[string]bool{}
		for i := range known {
			keep[known[i].ID] = known[i].Holder != nil || slices.Contains(known[i].StoreIDs, b.id)
		}
		for _, id := range part {
			if keep[id] {
				continue
			}
			if err := b.Remove(ctx, id); err != nil {
				return removed, err
			}
			removed++
		}
	}
	return removed, nil
}

// unknownStore says which stores there are.
func (s stores) unknown(id string) error {
	return cloud.Conflict("The store %.64q is unknown; allowed: %s.", id, s)
}
