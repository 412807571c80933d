package image

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// cacheRoutes are the calls of Glance's cache API. What is cached are images
// that no store of this machine has: whoever reads one has it copied.
func (s *Service) cacheRoutes() []api.Route {
	return []api.Route{
		{Method: http.MethodGet, Path: "/cache", Rule: "cache_list", Handle: s.cacheList},
		{Method: http.MethodDelete, Path: "/cache", Rule: "cache_delete", Handle: s.cacheClear},
		{Method: http.MethodPut, Path: "/cache/{image_id}", Rule: "cache_image", Handle: s.cacheQueue},
		{Method: http.MethodDelete, Path: "/cache/{image_id}", Rule: "cache_delete", Handle: s.cacheDelete},
	}
}

// noCache is Glance's answer where there is none.
func (s *Service) noCache() error {
	if s.cache == nil {
		return cloud.NotFound("Caching via API is not supported at this site.")
	}
	return nil
}

// cacheList answers GET /cache.
func (s *Service) cacheList(_ context.Context, c *api.Call) error {
	if err := s.noCache(); err != nil {
		return err
	}
	entries, waiting := s.cache.List()
	list := []any{}
	for _, e := range entries {
		list = append(list, map[string]any{
			"image_id": e.ID, "size": e.Size, "hits": e.Hits,
			"last_accessed": float64(e.Read.UnixMilli()) / 1000, "last_modified": float64(e.Modified.UnixMilli()) / 1000,
		})
	}
	return c.JSON(http.StatusOK, map[string]any{"cached_images": list, "queued_images": append([]string{}, waiting...)})
}

// cacheQueue answers PUT /cache/{image_id}.
func (s *Service) cacheQueue(ctx context.Context, c *api.Call) error {
	if err := s.noCache(); err != nil {
		return err
	}
	img, err := s.Find(ctx, c.Caller, c.Param("image_id"))
	switch {
	case err != nil:
		return err
	case img.Status != statusActive:
		return cloud.BadRequest("Only images with status active can be targeted for queueing; image %s is %s.", img.ID, img.Status)
	case s.isLocal(img):
		return cloud.BadRequest("Image %s is on a disk of this machine already (stores: %v); there is nothing to cache.", img.ID, img.StoreIDs)
	}
	if err := s.cache.Enqueue(img.ID); err != nil {
		return err
	}
	return c.Empty(http.StatusAccepted)
}

// cacheDelete answers DELETE /cache/{image_id}.
func (s *Service) cacheDelete(ctx context.Context, c *api.Call) error {
	if err := s.noCache(); err != nil {
		return err
	}
	img, err := s.Find(ctx, c.Caller, c.Param("image_id"))
	if err != nil {
		return err
	}
	if err := s.cache.Remove(img.ID); err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}

// cacheClear answers DELETE /cache.
func (s *Service) cacheClear(_ context.Context, c *api.Call) error {
	if err := s.noCache(); err != nil {
		return err
	}
	target := c.Request().Header.Get("X-Image-Cache-Clear-Target")
	if target != "" && target != "cache" && target != "queue" {
		return cloud.BadRequest("The X-Image-Cache-Clear-Target is %.32q; allowed: cache, queue, or none for both.", target)
	}
	if err := s.cache.Clear(target != "queue", target != "cache"); err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}

// isLocal tells whether a store of this machine has an image.
func (s *Service) isLocal(img *Image) bool {
	return slices.ContainsFunc(img.StoreIDs, func(name string) bool {
		b, err := s.stores.get(name)
		return err == nil && b.Local()
	})
}

// fromCache opens the copy of an image that is far away; nil: there is none,
// and one is being made.
func (s *Service) fromCache(img *Image) io.ReadSeekCloser {
	if s.cache == nil || s.isLocal(img) {
		return nil
	}
	if f, err := s.cache.Open(img.ID); err == nil {
		return f
	}
	if err := s.cache.Enqueue(img.ID); err != nil {
		s.log.Warn("image: cannot have an image cached", "image", img.ID, "error", err)
	}
	return nil
}

// fetchCopy writes an image's data for the cache, and checks its sum.
func (s *Service) fetchCopy(ctx context.Context, id string, to io.Writer) (err error) {
	img, err := s.Find(ctx, nil, id)
	if err != nil {
		return err
	}
	from, err := s.openStored(ctx, img)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := from.Close(); err == nil {
			err = cerr
		}
	}()
	sum := sha512.New()
	if _, err := io.CopyBuffer(io.MultiWriter(to, sum), struct{ io.Reader }{from}, make([]byte, 1<<20)); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); img.HashValue == nil || got != *img.HashValue {
		return fmt.Errorf("the data of image %s has the SHA-512 %.16s..., which is not the image's", id, got)
	}
	return nil
}
