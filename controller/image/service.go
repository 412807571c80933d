package image

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/cairn-cloud/cairn/controller/image/cache"
	"github.com/cairn-cloud/cairn/controller/image/convert"
	"github.com/cairn-cloud/cairn/controller/image/fetch"
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
	Config
	DB       *store.DB
	StateDir string // its own directory, made if absent; files are below it
	Log      *slog.Logger
	Clock    cloud.Clock // nil: the machine's
}

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
	stores        stores
	fetch         *fetch.Client // nil: nothing is downloaded for anybody
	cache         *cache.Cache  // nil: none
	cachePause    time.Duration // before its queue is looked at
	wanted        string        // disk format that imports make of others; empty: they stay what they are
	converter     *convert.Converter
	maxSize       int64
	workers       int
	holder        string        // who this controller is, in rows that it works on
	born          time.Time     // when it started
	awake         chan struct{} // Run looks for imports
	left          *set          // tasks that it has to take up again
	clock         cloud.Clock
	log           *slog.Logger
}

// New opens the stores and clears away what interrupted uploads and deletions
// have left. The tables must be migrated. [Service.Run] does what takes time.
func New(ctx context.Context, o Options) (*Service, error) {
	if o.Clock == nil {
		o.Clock = cloud.SystemClock
	}
	o.Config = o.complete()
	if err := o.Check(); err != nil {
		return nil, err
	}
	s := &Service{
		db: o.DB, images: store.NewTable[Image](o.DB, "images"), members: store.NewTable[Member](o.DB, "image_members"),
		namespaces: store.NewTable[Namespace](o.DB, "metadef_namespaces"), entries: store.NewTable[Entry](o.DB, "metadef_entries"),
		resourceTypes: store.NewTable[ResourceType](o.DB, "metadef_resource_types"), staged: store.NewTable[Data](o.DB, "staged_images"),
		tasks: store.NewTable[Task](o.DB, "image_tasks"), quotas: quotasOf(o.Limits),
		maxSize: o.MaxSize, workers: o.Workers, born: o.Clock(), awake: make(chan struct{}, 1), left: &set{ids: map[string]bool{}}, clock: o.Clock, log: o.Log,
	}
	if err := s.prepare(ctx, o); err != nil {
		return nil, fmt.Errorf("store of images: %w", err)
	}
	return s, nil
}

// prepare opens what the service works with on this machine.
func (s *Service) prepare(ctx context.Context, o Options) (err error) {
	dir := filepath.Join(o.StateDir, "images")
	if s.files, err = openFiles(dir); err != nil {
		return err
	}
	if s.stores, err = o.openStores(dir); err != nil {
		return err
	}
	if s.holder, err = holderOf(o.StateDir); err != nil {
		return err
	}
	if s.fetch, err = o.fetcher(); err != nil {
		return err
	}
	if v := o.Cache; v != nil {
		if s.cache, err = cache.Open(cmp.Or(v.Path, filepath.Join(o.StateDir, "cache")), v.MaxMiB<<20); err != nil {
			return fmt.Errorf("cache: %w", err)
		}
		s.cachePause = v.pause()
	}
	if o.Conversion != nil {
		s.wanted = o.Conversion.OutputFormat
		if s.converter, err = o.Conversion.converter(); err != nil {
			s.log.Error("image: imports that need a conversion will fail", "error", err)
		}
	}
	return s.recover(ctx)
}

// API is the table of contents.
func (s *Service) API() api.Service {
	return api.Service{
		Name: "image", Path: "/image", Version: "v2", Dialect: api.ImageDialect(), DB: s.db, Quotas: s.quotas,
		Versions:  s.versions(),
		Resources: []api.Description{s.imageResource(), s.namespaceResource(), s.taskResource()},
		Routes:    slices.Concat(schemaRoutes(), s.routes(), s.cacheRoutes()),
		Rules: []policy.Rule{
			{Name: "publicize_image", Check: policy.Admin, Doc: "make an image visible to everybody"},
			{Name: "cache_list", Check: policy.Admin, Doc: "see which images are cached"},
			{Name: "cache_image", Check: policy.Admin, Doc: "have an image cached"},
			{Name: "cache_delete", Check: policy.Admin, Doc: "remove images from the cache"},
			{Name: "add_task", Check: policy.Admin, Doc: "ask for a task by itself, which is refused"},
			{Name: "copy_image", Check: policy.Admin, Doc: "copy an image's data to further stores"},
			{Name: "delete_image_location", Check: policy.Admin, Doc: "remove an image's data from one of its stores"},
			{Name: "stores_info_detail", Check: policy.Admin, Doc: "see where the stores are"},
			{Name: "communitize_image", Check: policy.InScope, Doc: "make an image usable by everybody who knows its id"},
		},
	}
}

// versions are Glance's whose calls are all there. 2.14 has the cache, where
// there is one; 2.16 and 2.17 have locations, which are not offered.
func (s *Service) versions() []api.VersionDocument {
	list := []api.VersionDocument{{ID: "v2.15", Status: "CURRENT", Path: "v2/"}}
	for _, minor := range []int{14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0} {
		if minor == 14 && s.cache == nil {
			continue
		}
		list = append(list, api.VersionDocument{ID: fmt.Sprintf("v2.%d", minor), Status: "SUPPORTED", Path: "v2/"})
	}
	return list
}

// routes are those that belong to no resource.
func (s *Service) routes() []api.Route {
	return []api.Route{
		{Method: http.MethodGet, Path: "/metadefs/resource_types", Handle: s.listResourceTypes},
		{Method: http.MethodPost, Path: "/tasks", Rule: "add_task", Handle: refuseTask},
		{Method: http.MethodGet, Path: "/info/import", Handle: s.infoImport},
		{Method: http.MethodGet, Path: "/info/stores", Handle: s.infoStores},
		{Method: http.MethodGet, Path: "/info/stores/detail", Rule: "stores_info_detail", Handle: s.infoStoresDetail},
		{Method: http.MethodDelete, Path: "/stores/{store}/{image_id}", Rule: "delete_image_location", Handle: s.deleteFromStore},
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
