package identity

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A region is a part of the cloud, or of several, by name.
type region struct {
	ID             string  `json:"id"               db:"id,key"           api:"create,max=255"`
	Description    string  `json:"description"      db:"description"      api:"create,update,max=65535"`
	ParentRegionID *string `json:"parent_region_id" db:"parent_region_id" api:"create,update,filter"`
	Own            bool    `json:"-"                db:"own"`
}

// A service is something that has endpoints.
type service struct {
	ID          string `json:"id"          db:"id,key"`
	Type        string `json:"type"        db:"type"        api:"create,update,required,name,filter,sort"`
	Name        string `json:"name"        db:"name"        api:"create,update,max=255,filter,sort"`
	Description string `json:"description" db:"description" api:"create,update,max=65535"`
	Enabled     bool   `json:"enabled"     db:"enabled"     api:"create,update,default=true"`
	Own         bool   `json:"-"           db:"own"`
}

// An endpoint is where a service is. The URL may hold $(project_id)s and
// $(user_id)s.
type endpoint struct {
	ID        string  `json:"id"         db:"id,key"`
	ServiceID string  `json:"service_id" db:"service_id" api:"create,update,required,filter"`
	Interface string  `json:"interface"  db:"interface"  api:"create,update,required,oneof=public|internal|admin,filter"`
	RegionID  *string `json:"region_id"  db:"region_id"  api:"create,update,filter,also=region,max=255"`
	URL       string  `json:"url"        db:"url"        api:"create,update,required,min=1,max=2048"`
	Enabled   bool    `json:"enabled"    db:"enabled"    api:"create,update,default=true"`
	Own       bool    `json:"-"          db:"own"`
}

// regions describes /regions.
func (s *Service) regions() api.Resource[region] {
	return api.Resource[region]{
		Name: "region", Path: "/regions", Owner: api.Cloud, Links: true, Sort: []store.Sort{{Column: "id"}},
		Read: policy.Anyone, Write: policy.Admin, Rows: s.tables.regions,
		Creating: s.creatingRegion,
		Updating: func(ctx context.Context, tx *store.Tx, _ *api.Call, old, changed *region) error {
			if err := ofOthers(old.Own, "region", old.ID); err != nil {
				return err
			}
			if err := s.parentOf(ctx, tx, changed); err != nil {
				return err
			}
			return s.touch(ctx, tx, catalogChanged)
		},
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, r *region) error {
			if err := ofOthers(r.Own, "region", r.ID); err != nil {
				return err
			}
			n, err := s.tables.endpoints.In(tx).Count(ctx, store.Eq("region_id", r.ID))
			if err == nil && n > 0 {
				err = cloud.Forbidden("Unable to delete region %s because it or its child regions have associated endpoints.", r.ID)
			}
			if err != nil {
				return err
			}
			return s.touch(ctx, tx, catalogChanged)
		},
	}
}

func (s *Service) creatingRegion(ctx context.Context, tx *store.Tx, _ *api.Call, in *region) error {
	if in.ID == "" {
		in.ID = cloud.NewHexID()
	}
	if err := s.parentOf(ctx, tx, in); err != nil {
		return err
	}
	return s.touch(ctx, tx, catalogChanged)
}

// parentOf sees that a region's parent exists and is not below it.
func (s *Service) parentOf(ctx context.Context, tx *store.Tx, r *region) error {
	for id := r.ParentRegionID; id != nil; {
		if *id == r.ID {
			return cloud.BadRequest("parent_region_id is %s; allowed: a region that is not this one nor below it", *id)
		}
		above, err := s.tables.regions.In(tx).Get(ctx, *id)
		if err != nil {
			return err
		}
		id = above.ParentRegionID
	}
	return nil
}

// putRegion answers PUT /regions/{region_id}: a new one with this id.
func (s *Service) putRegion(ctx context.Context, c *api.Call) error {
	var body struct {
		Region json.RawMessage `json:"region"`
	}
	if err := c.Read(&body); err != nil {
		return err
	}
	in, err := api.DecodeRaw[region](c, body.Region)
	if err != nil {
		return err
	}
	if id := c.Param("region_id"); in.ID != "" && in.ID != id || len(id) > 255 {
		return cloud.BadRequest("region.id is %q; allowed: the id of the path, of at most 255 characters", in.ID)
	}
	in.ID = c.Param("region_id")
	err = s.db.Transact(ctx, func(tx *store.Tx) error {
		if err := s.creatingRegion(ctx, tx, c, in); err != nil {
			return err
		}
		return s.tables.regions.In(tx).Insert(ctx, in)
	})
	if err != nil {
		return err
	}
	o, err := c.Entry(in, "/regions/"+in.ID)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, map[string]any{"region": o})
}

// services describes /services.
func (s *Service) services() api.Resource[service] {
	return api.Resource[service]{
		Name: "service", Path: "/services", Owner: api.Cloud, Links: true, Sort: []store.Sort{{Column: "type"}},
		Read: policy.AdminOrSystemReader, Write: policy.Admin, Rows: s.tables.services,
		Creating: func(ctx context.Context, tx *store.Tx, _ *api.Call, _ *service) error {
			return s.touch(ctx, tx, catalogChanged)
		},
		Updating: func(ctx context.Context, tx *store.Tx, _ *api.Call, old, _ *service) error {
			return s.touchOthers(ctx, tx, old.Own, "service", old.ID)
		},
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, row *service) error {
			return s.touchOthers(ctx, tx, row.Own, "service", row.ID)
		},
	}
}

// endpoints describes /endpoints.
func (s *Service) endpoints() api.Resource[endpoint] {
	return api.Resource[endpoint]{
		Name: "endpoint", Path: "/endpoints", Owner: api.Cloud, Links: true, Sort: []store.Sort{{Column: "service_id"}},
		Read: policy.AdminOrSystemReader, Write: policy.Admin, Rows: s.tables.endpoints,
		Fill:     hostOfOwn,
		Creating: s.placing,
		Updating: func(ctx context.Context, tx *store.Tx, c *api.Call, old, changed *endpoint) error {
			if err := ofOthers(old.Own, "endpoint", old.ID); err != nil {
				return err
			}
			return s.placing(ctx, tx, c, changed)
		},
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, row *endpoint) error {
			if err := ofOthers(row.Own, "endpoint", row.ID); err != nil {
				return err
			}
			return s.dropPart(ctx, tx, partEndpoint, row.ID)
		},
	}
}

// hostOfOwn completes the addresses of our own endpoints.
func hostOfOwn(_ context.Context, c *api.Call, rows []*endpoint) error {
	for _, e := range rows {
		if e.Own {
			e.URL = c.Host() + e.URL
		}
	}
	return nil
}

// placing sees that an endpoint's service and region exist. A region that is
// named by the older word region is made.
func (s *Service) placing(ctx context.Context, tx *store.Tx, c *api.Call, e *endpoint) error {
	if n, err := s.tables.services.In(tx).Count(ctx, store.Eq("id", e.ServiceID)); err != nil || n == 0 {
		if err == nil {
			err = cloud.BadRequest("service_id is %q; allowed: the id of a service", e.ServiceID)
		}
		return err
	}
	if e.RegionID != nil {
		n, err := s.tables.regions.In(tx).Count(ctx, store.Eq("id", *e.RegionID))
		switch {
		case err != nil:
			return err
		case n == 0 && !c.Has("region"):
			return cloud.BadRequest("region_id is %q; allowed: the id of a region", *e.RegionID)
		case n == 0:
			if err := s.tables.regions.In(tx).Insert(ctx, &region{ID: *e.RegionID}); err != nil {
				return err
			}
		}
	}
	return s.touch(ctx, tx, catalogChanged)
}

// ofOthers refuses to change what this cloud serves itself: it would be there
// again after the next start.
func ofOthers(own bool, noun, id string) error {
	if own {
		return cloud.Forbidden("The %s %s is what this cloud serves itself: it cannot be changed or deleted.", noun, id)
	}
	return nil
}

func (s *Service) touchOthers(ctx context.Context, tx *store.Tx, own bool, noun, id string) error {
	if err := ofOthers(own, noun, id); err != nil {
		return err
	}
	return s.touch(ctx, tx, catalogChanged)
}
