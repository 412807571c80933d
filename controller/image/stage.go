package image

import (
	"context"
	"errors"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// stage answers PUT /images/{id}/stage: the data is looked at and kept, and
// becomes the image's when it is imported.
func (s *Service) stage(ctx context.Context, c *api.Call, img *Image) (any, error) {
	if _, err := s.mayReceive(c, img); err != nil {
		return nil, err
	}
	may, err := s.allowanceFor(ctx, img.Owner, quotaStage)
	if err == nil {
		err = may.admits(c.Request().ContentLength)
	}
	if err != nil {
		return nil, err
	}
	if err := s.begin(ctx, img, statusUploading); err != nil {
		return nil, err
	}
	data, err := s.receive(img, uploaded(c), placeStaged, may)
	if err == nil {
		err = s.keepStaged(ctx, img, data)
	}
	if err != nil {
		return nil, errors.Join(err, s.requeue(ctx, img.ID, statusUploading), s.files.remove(img.ID))
	}
	return nil, c.Empty(http.StatusNoContent)
}

// keepStaged notes what was staged; if the image was deleted meanwhile, its
// file goes.
func (s *Service) keepStaged(ctx context.Context, img *Image, d *Data) error {
	err := s.db.Transact(ctx, func(tx *store.Tx) error {
		now, err := s.images.In(tx).Lock(ctx, img.ID)
		if cloud.IsNotFound(err) {
			return deletedMeanwhile(img.ID)
		}
		if err != nil {
			return err
		}
		if err := s.claim(ctx, tx, now.Owner, quotaStage, mebibytes(d.Size)); err != nil {
			return err
		}
		return s.staged.In(tx).Insert(ctx, d)
	})
	if err != nil {
		return errors.Join(err, s.files.remove(img.ID))
	}
	return nil
}

func deletedMeanwhile(id string) error {
	return cloud.Errorf(cloud.KindGone, "Image %s was deleted while its data was uploaded.", id)
}
