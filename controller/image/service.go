package image

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
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
	Log      *slog.Logger
	Clock    cloud.Clock // nil: the machine's
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
		resourceTypes: store.NewTable[ResourceType](o.DB, "metadef_resource_types"),
		files:         files, maxSize: o.MaxSize, clock: o.Clock, log: o.Log,
	}
	if err := s.recover(ctx); err != nil {
		return nil, fmt.Errorf("store of images: %w", err)
	}
	return s, nil
}

// recover takes up after a stop at any point: uploads under way are queued
// again, and files that no active image has are removed.
func (s *Service) recover(ctx context.Context) error {
	if _, err := s.images.Change(ctx, store.Set{"status": statusQueued}, store.Eq("status", statusSaving)); err != nil {
		return err
	}
	active, err := s.images.List(ctx, store.Query{Where: []store.Cond{store.In("status", statusActive, statusDeactivated)}})
	if err != nil {
		return err
	}
	keep := make(map[string]bool, len(active))
	for i := range active {
		keep[active[i].ID] = true
	}
	removed, err := s.files.sweep(keep)
	if removed > 0 {
		s.log.Info("image: removed what interrupted uploads and deletions left", "files", removed)
	}
	return err
}

// API is the table of contents.
func (s *Service) API() api.Service {
	return api.Service{
		Name: "image", Path: "/image", Version: "v2", Dialect: api.ImageDialect(), DB: s.db,
		Versions: []api.VersionDocument{
			{ID: "v2.9", Status: "CURRENT", Path: "v2/"},
			{ID: "v2.7", Status: "SUPPORTED", Path: "v2/"},
			{ID: "v2.2", Status: "SUPPORTED", Path: "v2/"},
			{ID: "v2.0", Status: "SUPPORTED", Path: "v2/"},
		},
		Resources: []api.Description{s.imageResource(), s.namespaceResource()},
		Routes:    append(schemaRoutes(), s.routes()...),
		Rules: []policy.Rule{
			{Name: "publicize_image", Check: policy.Admin, Doc: "make an image visible to everybody"},
			{Name: "communitize_image", Check: policy.InScope, Doc: "make an image usable by everybody who knows its id"},
		},
	}
}

// routes are those that belong to no resource.
func (s *Service) routes() []api.Route {
	return []api.Route{
		{Method: http.MethodGet, Path: "/metadefs/resource_types", Handle: s.listResourceTypes},
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
