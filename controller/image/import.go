package image

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// The ways of importing that there are. Others (web-download,
// glance-download) would have the service open connections that a client
// chooses.
const (
	methodDirect = "glance-direct" // what was staged becomes the image's data
	methodCopy   = "copy-image"    // an active image's data goes to further stores
)

func importMethods() []string { return []string{methodDirect, methodCopy} }

// An importRequest is the body of POST /images/{id}/import.
type importRequest struct {
	Method struct {
		Name      string `json:"name"                               api:"required,name"`
		URI       string `json:"uri,omitempty"                      api:"max=2048"`
		Image     string `json:"glance_image_id,omitempty"          api:"max=64"`
		Region    string `json:"glance_region,omitempty"            api:"max=255"`
		Interface string `json:"glance_service_interface,omitempty" api:"max=64"`
	} `json:"method" api:"required"`
	Stores      []string `json:"stores,omitempty"     api:"max=64"`
	AllStores   bool     `json:"all_stores,omitempty"`
	MustSucceed *bool    `json:"all_stores_must_succeed,omitempty"`
}

// check refuses what cannot be done.
func (r *importRequest) check() error {
	switch r.Method.Name {
	case methodDirect, methodCopy:
	case "web-download", "glance-download":
		return cloud.BadRequest("The import method %s is not enabled; allowed: %s, %s.", r.Method.Name, methodDirect, methodCopy)
	default:
		return cloud.BadRequest("The import method %.64q is unknown; allowed: %s, %s.", r.Method.Name, methodDirect, methodCopy)
	}
	if r.AllStores && len(r.Stores) > 0 {
		return cloud.BadRequest("all_stores and stores cannot be given at once.")
	}
	for _, name := range r.Stores {
		if name != storeID {
			return cloud.Conflict("The store %.64q is unknown; allowed: %s.", name, storeID)
		}
	}
	return nil
}

// doImport answers POST /images/{id}/import. Both methods are done when the
// answer goes out: all that takes time was done when the data was staged.
func (s *Service) doImport(ctx context.Context, c *api.Call, img *Image) (any, error) {
	in, err := api.Decode[importRequest](c)
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	task, err := s.newTask(c, img, in)
	if err != nil {
		return nil, err
	}
	if in.Method.Name == methodCopy {
		return nil, s.copyImage(ctx, c, img, in, task)
	}
	return nil, s.importStaged(ctx, img, task)
}

// importStaged makes what was staged the image's data. It can be stopped
// anywhere: recover puts the image back to where the import may come again.
func (s *Service) importStaged(ctx context.Context, img *Image, task *Task) error {
	d, err := s.staged.First(ctx, store.Eq("image_id", img.ID))
	if cloud.IsNotFound(err) {
		return cloud.Conflict("Image %s is %s and has no staged data; allowed: an image whose data was staged.", img.ID, img.Status)
	}
	if err != nil {
		return err
	}
	n, err := s.images.Change(ctx, store.Set{"status": statusImporting}, store.Eq("id", img.ID), store.Eq("status", statusUploading))
	if err == nil && n == 0 {
		return cloud.Conflict("Image %s is %s; allowed: %s.", img.ID, img.Status, statusUploading)
	}
	if err != nil {
		return err
	}
	if err := s.files.promote(img.ID); err != nil {
		return err
	}
	err = s.db.Transact(ctx, func(tx *store.Tx) error { return s.finish(ctx, tx, img.ID, d, task) })
	if cloud.KindOf(err) == cloud.KindGone {
		err = errors.Join(err, s.files.remove(img.ID))
	}
	return err
}

// finish makes an image active whose staged file is in its place.
func (s *Service) finish(ctx context.Context, tx *store.Tx, id string, d *Data, task *Task) error {
	n, err := s.images.In(tx).Change(ctx, d.set(s.clock()), store.Eq("id", id), store.Eq("status", statusImporting))
	if err == nil && n == 0 {
		return deletedMeanwhile(id)
	}
	if err != nil {
		return err
	}
	if _, err := s.staged.In(tx).Delete(ctx, store.Eq("image_id", id)); err != nil {
		return err
	}
	return s.done(ctx, tx, task)
}

// copyImage has nothing to copy: the only store has every active image.
func (s *Service) copyImage(ctx context.Context, c *api.Call, img *Image, in *importRequest, task *Task) error {
	if err := c.Allow("copy_image", nil); err != nil {
		return err
	}
	switch {
	case img.Status != statusActive:
		return cloud.Conflict("Only images with status active can be copied; image %s is %s.", img.ID, img.Status)
	case len(in.Stores) > 0:
		return cloud.Conflict("Image %s is present in the store %s already.", img.ID, storeID)
	}
	return s.db.Transact(ctx, func(tx *store.Tx) error { return s.done(ctx, tx, task) })
}

// done notes a task and, in the image, that no store is left to import to.
func (s *Service) done(ctx context.Context, tx *store.Tx, task *Task) error {
	img, err := s.images.In(tx).Lock(ctx, task.ImageID)
	if err != nil {
		return err
	}
	properties := map[string]string{ownPrefix + "importing_to_stores": "", ownPrefix + "failed_import": ""}
	for k, v := range img.Properties {
		properties[k] = v
	}
	img.Properties = properties
	if err := s.images.In(tx).Update(ctx, img, "properties"); err != nil {
		return err
	}
	if _, err := s.tasks.In(tx).Delete(ctx, store.Lt("expires_at", task.CreatedAt)); err != nil {
		return err
	}
	return s.tasks.In(tx).Insert(ctx, task)
}

// newTask describes an import that was asked for.
func (s *Service) newTask(c *api.Call, img *Image, in *importRequest) (*Task, error) {
	request, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	now := s.clock()
	return &Task{
		ID: cloud.NewID(), Type: "api_image_import", Status: "success", Owner: c.Caller.ProjectID, UserID: c.Caller.UserID,
		RequestID: c.Caller.RequestID, ImageID: img.ID, Result: map[string]string{"image_id": img.ID},
		Input:     map[string]json.RawMessage{"image_id": json.RawMessage(`"` + img.ID + `"`), "import_req": request},
		CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(taskLife),
	}, nil
}
