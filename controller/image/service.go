package image

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// Migrations make the tables of this package.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Options are what the image service needs.
type Options struct {
	DB       *store.DB
	StateDir string // its own directory, made if absent; files are below it
	MaxSize  int64  // bytes of one image; 0: DefaultMaxSize
	// Limits hold for projects that have none of their own, by the names
	// image_size_total (MiB) and image_count_total; absent: unlimited.
	Limits map[string]int64
	Log    *slog.Logger
	Clock  cloud.Clock // nil: the machine's
}

// DefaultMaxSize is how large an image may be where nobody says otherwise.
const DefaultMaxSize = 1 << 40

// A Service is the image service.
type Service struct {
	db            *store.DB
	images        *store.Table[Image]
	members       *store.Table[Member]
	namespaces    *store.Table[Namespace]
	entries       *store.Table[Entry]
	resourceTypes *store.Table[ResourceType]
	staged        *store.Table[Data]
	tasks         *store.Table[Task]
	quotas        *quota.Quotas
	files         *files
	maxSize       int64
	clock         cloud.Clock
	log           *slog.Logger
}

// New opens the store of files and clears away what interrupted uploads and
// deletions have left. The tables must be migrated.
func New(ctx context.Context, o Options) (*Service, error) {
	if o.Clock == nil {
		o.Clock = cloud.SystemClock
	}
	if o.MaxSize == 0 {
		o.MaxSize = DefaultMaxSize
	}
	files, err := openFiles(filepath.Join(o.StateDir, "images"))
	if err != nil {
		return nil, fmt.Errorf("store of images: %w", err)
	}
	s := &Service{
		db: o.DB, images: store.NewTable[Image](o.DB, "images"), members: store.NewTable[Member](o.DB, "image_members"),
		namespaces: store.NewTable[Namespace](o.DB, "metadef_namespaces"), entries: store.NewTable[Entry](o.DB, "metadef_entries"),
		resourceTypes: store.NewTable[ResourceType](o.DB, "metadef_resource_types"), staged: store.NewTable[Data](o.DB, "staged_images"),
		tasks: store.NewTable[Task](o.DB, "image_tasks"), quotas: quotasOf(o.Limits),
		files: files, maxSize: o.MaxSize, clock: o.Clock, log: o.Log,
	}
	if err := s.recover(ctx); err != nil {
		return nil, fmt.Errorf("store of images: %w", err)
	}
	return s, nil
}

// quotasOf completes the limits that were given.
func quotasOf(given map[string]int64) *quota.Quotas {
	limits := map[string]int64{quotaSize: quota.Unlimited, quotaCount: quota.Unlimited}
	maps.Copy(limits, given)
	return quota.New(limits)
}

// recover takes up after a stop at any point: uploads under way are queued
// again, imports may come again, and files that no image has are removed.
func (s *Service) recover(ctx context.Context) error {
	if _, err := s.images.Change(ctx, store.Set{"status": statusQueued}, store.Eq("status", statusSaving)); err != nil {
		return err
	}
	if _, err := s.images.Change(ctx, store.Set{"status": statusUploading}, store.Eq("status", statusImporting)); err != nil {
		return err
	}
	staged, err := s.staged.List(ctx, store.Query{})
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	ids := []string{}
	for i := range staged {
		id := staged[i].ImageID
		keep[id], keep[id+string(placeStaged)] = true, true
		ids = append(ids, id)
	}
	if err := s.requeueBut(ctx, ids); err != nil {
		return err
	}
	active, err := s.images.List(ctx, store.Query{Where: []store.Cond{store.In("status", statusActive, statusDeactivated)}})
	if err != nil {
		return err
	}
	for i := range active {
		keep[active[i].ID] = true
	}
	removed, err := s.files.sweep(keep)
	if removed > 0 {
		s.log.Info("image: removed what interrupted uploads and deletions left", "files", removed)
	}
	return err
}

// requeueBut gives up what was being staged, but for images whose data is
// there.
func (s *Service) requeueBut(ctx context.Context, staged []string) error {
	conds := []store.Cond{store.Eq("status", statusUploading)}
	for _, id := range staged {
		conds = append(conds, store.Ne("id", id))
	}
	_, err := s.images.Change(ctx, store.Set{"status": statusQueued}, conds...)
	return err
}

// API is the table of contents.
func (s *Service) API() api.Service {
	return api.Service{
		Name: "image", Path: "/image", Version: "v2", Dialect: api.ImageDialect(), DB: s.db, Quotas: s.quotas,
		Versions:  versions(),
		Resources: []api.Description{s.imageResource(), s.namespaceResource(), s.taskResource()},
		Routes:    append(schemaRoutes(), s.routes()...),
		Rules: []policy.Rule{
			{Name: "publicize_image", Check: policy.Admin, Doc: "make an image visible to everybody"},
			{Name: "copy_image", Check: policy.Admin, Doc: "copy an image's data to further stores"},
			{Name: "stores_info_detail", Check: policy.Admin, Doc: "see where the stores are"},
			{Name: "communitize_image", Check: policy.InScope, Doc: "make an image usable by everybody who knows its id"},
		},
	}
}

// versions are Glance's whose calls are all there. 2.14 has caches and 2.16
// and 2.17 have locations, which are not offered.
func versions() []api.VersionDocument {
	list := []api.VersionDocument{{ID: "v2.15", Status: "CURRENT", Path: "v2/"}}
	for _, minor := range []int{13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0} {
		list = append(list, api.VersionDocument{ID: fmt.Sprintf("v2.%d", minor), Status: "SUPPORTED", Path: "v2/"})
	}
	return list
}

// routes are those that belong to no resource.
func (s *Service) routes() []api.Route {
	return []api.Route{
		{Method: http.MethodGet, Path: "/metadefs/resource_types", Handle: s.listResourceTypes},
		{Method: http.MethodGet, Path: "/info/import", Handle: infoImport},
		{Method: http.MethodGet, Path: "/info/stores", Handle: infoStores},
		{Method: http.MethodGet, Path: "/info/stores/detail", Rule: "stores_info_detail", Handle: infoStoresDetail},
		{Method: http.MethodGet, Path: "/info/usage", Handle: s.infoUsage},
	}
}

// Find is the image with the id, if the caller may see it; NotFound if not. A
// nil caller sees all.
func (s *Service) Find(ctx context.Context, caller *cloud.Caller, id string) (*Image, error) {
	if caller == nil {
		caller = cloud.Internal()
	}
	img, err := s.images.First(ctx, append(visible(caller), store.Eq("id", id))...)
	if cloud.IsNotFound(err) {
		return nil, cloud.NotFound("Image %s could not be found.", id).Because(err)
	}
	return img, err
}

// NodeHandler serves GET /v1/images/{id}: the bytes of active images, with
// ranges, to nodes. Whoever mounts it has checked the client's certificate.
func (s *Service) NodeHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/images/{id}", func(w http.ResponseWriter, r *http.Request) {
		img, err := s.Find(r.Context(), nil, r.PathValue("id"))
		switch {
		case err != nil && !cloud.IsNotFound(err):
			s.log.Error("image: cannot look up an image for a node", "error", err)
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		case err != nil || img.Status != statusActive:
			http.Error(w, "no such image", http.StatusNotFound)
			return
		}
		if err := s.send(w, r, img); err != nil {
			s.log.Error("image: cannot send an image to a node", "image", img.ID, "error", err)
			http.Error(w, "the image's file cannot be read", http.StatusInternalServerError)
		}
	})
	return mux
}
