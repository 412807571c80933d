package image

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// The ways of importing.
const (
	methodDirect = "glance-direct" // what was staged becomes the image's data
	methodWeb    = "web-download"  // the cloud fetches it; only where the configuration says so
	methodCopy   = "copy-image"    // an active image's data goes to further stores
)

// importMethods are those that this cloud offers. glance-download is none of
// them: there is no other region to take images from.
func (s *Service) importMethods() []string {
	if s.fetch == nil {
		return []string{methodDirect, methodCopy}
	}
	return []string{methodDirect, methodWeb, methodCopy}
}

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

// mustSucceed tells whether one store that fails is enough for the import to
// fail; that is so where nobody says otherwise.
func (r *importRequest) mustSucceed() bool { return r.MustSucceed == nil || *r.MustSucceed }

// check refuses what cannot be done.
func (s *Service) checkImport(r *importRequest) error {
	offered := s.importMethods()
	switch {
	case slices.Contains(offered, r.Method.Name):
	case r.Method.Name == methodWeb || r.Method.Name == "glance-download":
		return cloud.BadRequest("The import method %s is not enabled; allowed: %s.", r.Method.Name, strings.Join(offered, ", "))
	default:
		return cloud.BadRequest("The import method %.64q is unknown; allowed: %s.", r.Method.Name, strings.Join(offered, ", "))
	}
	if r.Method.Name == methodWeb {
		if err := s.fetch.Check(r.Method.URI); err != nil {
			return err
		}
	}
	if r.AllStores && len(r.Stores) > 0 {
		return cloud.BadRequest("all_stores and stores cannot be given at once.")
	}
	for _, name := range r.Stores {
		if !s.stores.has(name) {
			return s.stores.unknown(name)
		}
	}
	return nil
}

// storesOf are the stores that an import goes to.
func (s *Service) storesOf(c *api.Call, r *importRequest) ([]string, error) {
	switch wanted := c.Request().Header.Get("X-Image-Meta-Store"); {
	case r.AllStores:
		return s.stores.ids(), nil
	case len(r.Stores) > 0:
		return unique(r.Stores), nil
	case wanted != "" && !s.stores.has(wanted):
		return nil, s.stores.unknown(wanted)
	case wanted != "":
		return []string{wanted}, nil
	default:
		return []string{s.stores.first()}, nil
	}
}

// doImport answers POST /images/{id}/import. What needs no time is done when
// the answer goes out; the rest is a task that a worker takes up.
func (s *Service) doImport(ctx context.Context, c *api.Call, img *Image) (any, error) {
	in, err := api.Decode[importRequest](c)
	if err != nil {
		return nil, err
	}
	if err := s.checkImport(in); err != nil {
		return nil, err
	}
	to, err := s.storesOf(c, in)
	if err != nil {
		return nil, err
	}
	if in.Method.Name == methodCopy {
		if to, err = s.mayCopy(c, img, in, to); err != nil {
			return nil, err
		}
	}
	task, err := s.newTask(c, img, in, to)
	if err != nil {
		return nil, err
	}
	quick := s.quick(img, task, in)
	if quick {
		task.Status = taskProcessing // no worker's
	}
	if err := s.db.Transact(ctx, func(tx *store.Tx) error { return s.accept(ctx, tx, task, in) }); err != nil {
		return nil, err
	}
	if quick {
		s.try(context.WithoutCancel(ctx), task)
		return nil, nil
	}
	s.wake()
	return nil, nil
}

// quick tells whether an import is a second name for a file, or nothing.
func (s *Service) quick(img *Image, task *Task, in *importRequest) bool {
	if img.Holder != nil && *img.Holder != s.holder {
		return false
	}
	if len(task.To) == 0 {
		return true
	}
	b, err := s.stores.get(task.To[0])
	return err == nil && b.Local() && len(task.To) == 1 && in.Method.Name == methodDirect && !s.converts(img)
}

// mayCopy sees that an image can be copied, and gives the stores that lack it.
func (s *Service) mayCopy(c *api.Call, img *Image, in *importRequest, to []string) ([]string, error) {
	if err := c.Allow("copy_image", nil); err != nil {
		return nil, err
	}
	if img.Status != statusActive {
		return nil, cloud.Conflict("Only images with status active can be copied; image %s is %s.", img.ID, img.Status)
	}
	lacking := []string{}
	for _, name := range to {
		switch {
		case !slices.Contains(img.StoreIDs, name):
			lacking = append(lacking, name)
		case len(in.Stores) > 0:
			return nil, cloud.Conflict("Image %s is present in the store %s already.", img.ID, name)
		}
	}
	return lacking, nil
}

// accept takes an image for an import and writes its task down.
func (s *Service) accept(ctx context.Context, tx *store.Tx, task *Task, in *importRequest) error {
	img, err := s.images.In(tx).Lock(ctx, task.ImageID)
	if err != nil {
		return err
	}
	wanted := map[string]string{methodDirect: statusUploading, methodWeb: statusQueued, methodCopy: statusActive}[in.Method.Name]
	_, busy := img.Properties[propTask]
	switch {
	case img.Status != wanted:
		return cloud.Conflict("Image %s is %s; allowed for %s: %s.", img.ID, img.Status, in.Method.Name, wanted)
	case in.Method.Name != methodCopy && img.Format() == "":
		return cloud.BadRequest("disk_format and container_format must be set before data is imported.")
	case busy:
		return cloud.Conflict("Image %s has an import under way.", img.ID)
	}
	if err := s.roomFor(ctx, tx, img, task, in); err != nil {
		return err
	}
	if in.Method.Name != methodCopy {
		img.Status = statusImporting
	}
	if img.Holder != nil && in.Method.Name == methodDirect {
		task.Holder = *img.Holder // what was staged is on its machine
	}
	img.Holder = &task.Holder
	img.Properties = with(img.Properties, map[string]string{propTo: strings.Join(task.To, ","), propFailed: "", propTask: task.ID})
	if err := s.images.In(tx).Update(ctx, img, "status", "holder", "properties"); err != nil {
		return err
	}
	if _, err := s.tasks.In(tx).Delete(ctx, store.Lt("expires_at", task.CreatedAt), store.In("status", taskSuccess, taskFailure)); err != nil {
		return err
	}
	return s.tasks.In(tx).Insert(ctx, task)
}

// roomFor sees that a project may have what an import will make, as far as that
// is known before it begins.
func (s *Service) roomFor(ctx context.Context, tx *store.Tx, img *Image, task *Task, in *importRequest) error {
	var size int64
	switch in.Method.Name {
	case methodWeb:
		return s.claim(ctx, tx, img.Owner, quotaUploading, 1)
	case methodCopy:
		size = *img.Size
	default:
		d, err := s.staged.In(tx).First(ctx, store.Eq("image_id", img.ID))
		if cloud.IsNotFound(err) {
			return cloud.Conflict("Image %s is %s and has no staged data; allowed: an image whose data was staged.", img.ID, img.Status)
		}
		if err != nil {
			return err
		}
		size = d.Size
	}
	all, err := s.usage(ctx, tx, img.Owner)
	n := mebibytes(size) * int64(len(task.To))
	if u := all[quotaSize]; err == nil && u.Limit != quota.Unlimited && u.InUse+n > u.Limit {
		return overLimit(img.Owner, quotaSize, u, n)
	}
	return err
}

// What an image says of imports, in properties.
const (
	propTo     = ownPrefix + "importing_to_stores" // stores that are still to come
	propFailed = ownPrefix + "failed_import"       // stores that did not get it
	propTask   = ownPrefix + "import_task"         // the task under way
)

// with lays properties over others.
func with(old, over map[string]string) map[string]string {
	all := make(map[string]string, len(old)+len(over))
	for _, m := range []map[string]string{old, over} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// newTask describes an import that was asked for.
func (s *Service) newTask(c *api.Call, img *Image, in *importRequest, to []string) (*Task, error) {
	request, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	now := s.clock()
	return &Task{
		ID: cloud.NewID(), Type: "api_image_import", Status: taskPending, Owner: c.Caller.ProjectID, UserID: c.Caller.UserID,
		RequestID: c.Caller.RequestID, ImageID: img.ID, Result: map[string]string{"image_id": img.ID},
		Input:     map[string]json.RawMessage{"image_id": json.RawMessage(`"` + img.ID + `"`), "import_req": request},
		CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(taskLife), Holder: s.holder, To: to,
	}, nil
}
