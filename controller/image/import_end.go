package image

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// finish makes an image active whose data is in stores.
func (s *Service) finish(ctx context.Context, tx *store.Tx, id string, d *Data, task *Task, got []string) error {
	img, err := s.images.In(tx).Lock(ctx, id)
	if cloud.IsNotFound(err) || err == nil && img.Status != statusImporting {
		return deletedMeanwhile(id)
	}
	if err != nil {
		return err
	}
	if err := s.quotas.Reserve(ctx, tx, img.Owner, quotaSize, mebibytes(d.Size)*int64(len(got))); err != nil {
		return err
	}
	if _, err := s.images.In(tx).Change(ctx, d.set(s.clock(), got), store.Eq("id", id)); err != nil {
		return err
	}
	if _, err := s.staged.In(tx).Delete(ctx, store.Eq("image_id", id)); err != nil {
		return err
	}
	return s.done(ctx, tx, task)
}

// done ends a task, and says in the image that no store is left to import to.
func (s *Service) done(ctx context.Context, tx *store.Tx, task *Task) error {
	if err := s.release(ctx, tx, task, nil); err != nil {
		return err
	}
	return s.endTask(ctx, tx, task, taskSuccess, "")
}

// release lets an image go that a task held; failed are the stores that have
// not got it, nil: as it was noted before.
func (s *Service) release(ctx context.Context, tx *store.Tx, task *Task, failed []string) error {
	img, err := s.images.In(tx).Lock(ctx, task.ImageID)
	if err != nil {
		return err
	}
	img.Properties = maps.Clone(with(img.Properties, map[string]string{propTo: ""}))
	delete(img.Properties, propTask)
	if failed != nil {
		img.Properties[propFailed] = strings.Join(failed, ",")
	}
	img.Holder = nil
	return s.images.In(tx).Update(ctx, img, "properties", "holder")
}

func (s *Service) endTask(ctx context.Context, tx *store.Tx, task *Task, status, message string) error {
	now := s.clock()
	_, err := s.tasks.In(tx).Change(ctx, store.Set{"status": status, "message": message, "updated_at": now, "expires_at": now.Add(taskLife)},
		store.Eq("id", task.ID))
	return err
}

// failImport ends a task that did not work out. The image is as it was before,
// but for data that cannot become an image: that goes.
func (s *Service) failImport(ctx context.Context, task *Task, why error) error {
	message := "The import failed; the log of the controller has request " + task.RequestID + "."
	if e, ok := errors.AsType[*cloud.Error](why); ok && e.Kind != cloud.KindInternal {
		message = e.Message
	}
	s.log.Warn("image: an import failed", "image", task.ImageID, "task", task.ID, "error", why)
	drop := cloud.KindOf(why) != cloud.KindInternal && cloud.KindOf(why) != cloud.KindUnavailable
	err := s.db.Transact(ctx, func(tx *store.Tx) error {
		if err := s.endTask(ctx, tx, task, taskFailure, message); err != nil {
			return err
		}
		if err := s.giveBack(ctx, tx, task, drop); err != nil {
			return err
		}
		err := s.release(ctx, tx, task, task.To)
		if cloud.IsNotFound(err) {
			return nil
		}
		return err
	})
	if err != nil || !drop {
		return err
	}
	return s.files.remove(task.ImageID)
}

// giveBack puts an image whose import failed where another may begin.
func (s *Service) giveBack(ctx context.Context, tx *store.Tx, task *Task, drop bool) error {
	_, err := s.staged.In(tx).First(ctx, store.Eq("image_id", task.ImageID))
	if err != nil && !cloud.IsNotFound(err) {
		return err
	}
	to := statusQueued
	switch {
	case err == nil && drop:
		if _, err := s.staged.In(tx).Delete(ctx, store.Eq("image_id", task.ImageID)); err != nil {
			return err
		}
	case err == nil:
		to = statusUploading
	}
	_, err = s.images.In(tx).Change(ctx, store.Set{"status": to}, store.Eq("id", task.ImageID), store.Eq("status", statusImporting))
	return err
}
