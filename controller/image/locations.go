package image

import (
	"context"
	"net/http"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// deleteFromStore answers DELETE /stores/{store}/{image}: the image's data
// goes from one of the stores that have it.
func (s *Service) deleteFromStore(ctx context.Context, c *api.Call) error {
	from, id := c.Param("store"), c.Param("image_id")
	if !s.stores.has(from) {
		return cloud.NotFound("The store %.64q is unknown; there are: %s.", from, s.stores)
	}
	img, err := s.Find(ctx, c.Caller, id)
	if err != nil {
		return err
	}
	err = s.db.Transact(ctx, func(tx *store.Tx) error {
		now, err := s.images.In(tx).Lock(ctx, img.ID)
		if err != nil {
			return err
		}
		_, busy := now.Properties[propTask]
		switch {
		case !slices.Contains(now.StoreIDs, from):
			return cloud.NotFound("Image %s has no data in the store %s.", id, from)
		case len(now.StoreIDs) == 1:
			return cloud.Forbidden("Image %s has its data in the store %s alone; delete the image instead.", id, from)
		case now.Protected:
			return cloud.Forbidden("Image %s is protected and cannot be deleted.", id)
		case busy:
			return cloud.Conflict("Image %s has an import under way.", id)
		}
		if err := s.quotas.Release(ctx, tx, now.Owner, quotaSize, mebibytes(*now.Size)); err != nil {
			return err
		}
		now.StoreIDs = slices.DeleteFunc(now.StoreIDs, func(name string) bool { return name == from })
		now.UpdatedAt = s.clock()
		return s.images.In(tx).Update(ctx, now, "stores", "updated_at")
	})
	if err != nil {
		return err
	}
	if err := s.stores.remove(ctx, id, []string{from}); err != nil {
		s.log.Warn("image: data of an image is still in a store; it is swept later", "image", id, "store", from, "error", err)
	}
	return c.Empty(http.StatusNoContent)
}
