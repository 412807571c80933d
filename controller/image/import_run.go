package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// carryOut does an import. Each of its steps leaves something that the next
// try finds, so it may be stopped anywhere: the task stays what it is, and is
// taken up at the next start.
func (s *Service) carryOut(ctx context.Context, task *Task) error {
	n, err := s.tasks.Change(ctx, store.Set{"status": taskProcessing, "updated_at": s.clock()},
		store.Eq("id", task.ID), store.In("status", taskPending, taskProcessing))
	if err != nil || n == 0 {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &progress{s: s, task: task, cancel: cancel}
	err = s.importImage(ctx, task, p)
	if cause := context.Cause(ctx); cause != nil && errors.Is(cause, context.Canceled) {
		return cause
	} else if cause != nil {
		err = cause
	}
	if err == nil {
		return nil
	}
	return errors.Join(err, s.failImport(context.WithoutCancel(ctx), task, err))
}

// request is what the client asked for.
func (t *Task) request() (*importRequest, error) {
	var in importRequest
	if err := json.Unmarshal(t.Input["import_req"], &in); err != nil {
		return nil, fmt.Errorf("task %s: %w", t.ID, err)
	}
	return &in, nil
}

// importImage carries out a task.
func (s *Service) importImage(ctx context.Context, task *Task, p *progress) error {
	in, err := task.request()
	if err != nil {
		return err
	}
	img, err := s.images.First(ctx, store.Eq("id", task.ImageID))
	if cloud.IsNotFound(err) {
		return deletedMeanwhile(task.ImageID)
	}
	if err != nil {
		return err
	}
	if in.Method.Name == methodCopy {
		return s.copyImage(ctx, img, task, in, p)
	}
	d, err := s.dataFor(ctx, img, in, p)
	if err != nil {
		return err
	}
	if d, err = s.inWantedFormat(ctx, img, d, p); err != nil {
		return err
	}
	path, err := s.files.path(img.ID, d.Place)
	if err != nil {
		return err
	}
	got, err := s.spread(ctx, task, in, path, d.Size, p)
	if err != nil {
		return err
	}
	if err := s.db.Transact(ctx, func(tx *store.Tx) error { return s.finish(ctx, tx, img.ID, d, task, got) }); err != nil {
		return errors.Join(err, s.stores.remove(ctx, img.ID, got))
	}
	return s.files.remove(img.ID)
}

// dataFor is the data that becomes the image's: what was staged, or what is
// downloaded now.
func (s *Service) dataFor(ctx context.Context, img *Image, in *importRequest, p *progress) (*Data, error) {
	d, err := s.staged.First(ctx, store.Eq("image_id", img.ID))
	if cloud.IsNotFound(err) && in.Method.Name == methodWeb {
		return s.fetchData(ctx, img, in.Method.URI, p)
	}
	return d, err
}

// fetchData downloads what an image is to be, and looks at it as at an upload.
func (s *Service) fetchData(ctx context.Context, img *Image, uri string, p *progress) (d *Data, err error) {
	if s.fetch == nil {
		return nil, cloud.BadRequest("The import method %s is not enabled any more.", methodWeb)
	}
	body, err := s.fetch.Open(ctx, uri)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	may, err := s.allowanceFor(ctx, img.Owner, quotaStage)
	if err == nil {
		err = may.admits(body.Size)
	}
	if err != nil {
		return nil, err
	}
	from := &download{r: body, tell: func(n int64) { p.at(ctx, "Downloaded", n, body.Size) }}
	if d, err = s.receive(img, from, placeStaged, may); err != nil {
		return nil, err
	}
	return d, s.keepStaged(ctx, img, d)
}

// spread puts a file into the stores of a task. It gives those that have it;
// with none, or where all must, one that fails is an error.
func (s *Service) spread(ctx context.Context, task *Task, in *importRequest, path string, size int64, p *progress) (got []string, err error) {
	var failed []string
	for _, name := range task.To {
		err := s.stores.put(ctx, name, task.ImageID, path, func(n int64) { p.at(ctx, "Copied to "+name+":", n, size) })
		switch {
		case err == nil:
			got = append(got, name)
		case ctx.Err() != nil:
			return nil, errors.Join(err, s.stores.remove(ctx, task.ImageID, append(got, name)))
		case in.mustSucceed() || len(failed)+1 == len(task.To):
			return nil, errors.Join(err, s.stores.remove(ctx, task.ImageID, append(got, name)))
		default:
			s.log.Warn("image: a store did not take an image", "image", task.ImageID, "store", name, "error", err)
			failed = append(failed, name)
		}
		if err := s.noteStores(ctx, task, got, failed); err != nil {
			return got, err
		}
	}
	return got, nil
}

// noteStores says in the image which stores are still to come, and which
// failed.
func (s *Service) noteStores(ctx context.Context, task *Task, got, failed []string) error {
	left := slices.DeleteFunc(slices.Clone(task.To), func(name string) bool { return slices.Contains(got, name) || slices.Contains(failed, name) })
	if len(left) == 0 && len(failed) == 0 {
		return nil // the end says it
	}
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		return s.edit(ctx, tx, task.ImageID, map[string]string{propTo: strings.Join(left, ","), propFailed: strings.Join(failed, ",")})
	})
}

// edit lays properties over those of an image.
func (s *Service) edit(ctx context.Context, tx *store.Tx, id string, over map[string]string) error {
	img, err := s.images.In(tx).Lock(ctx, id)
	if cloud.IsNotFound(err) {
		return deletedMeanwhile(id)
	}
	if err != nil {
		return err
	}
	img.Properties = with(img.Properties, over)
	return s.images.In(tx).Update(ctx, img, "properties")
}

// copyImage puts an active image's data into further stores.
func (s *Service) copyImage(ctx context.Context, img *Image, task *Task, in *importRequest, p *progress) error {
	var got []string
	if len(task.To) > 0 {
		path, forget, err := s.localCopy(ctx, img, p)
		if err != nil {
			return err
		}
		got, err = s.spread(ctx, task, in, path, *img.Size, p)
		if err = errors.Join(err, forget()); err != nil {
			return err
		}
	}
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		now, err := s.images.In(tx).Lock(ctx, img.ID)
		if cloud.IsNotFound(err) {
			return deletedMeanwhile(img.ID)
		}
		if err != nil {
			return err
		}
		if err := s.quotas.Reserve(ctx, tx, now.Owner, quotaSize, mebibytes(*now.Size)*int64(len(got))); err != nil {
			return err
		}
		now.StoreIDs = unique(append(now.StoreIDs, got...))
		if err := s.images.In(tx).Update(ctx, now, "stores"); err != nil {
			return err
		}
		return s.done(ctx, tx, task)
	})
}
