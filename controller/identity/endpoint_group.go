package identity

import (
	"context"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// An endpointGroup is the endpoints that have what its filters say.
type endpointGroup struct {
	ID          string         `json:"id"          db:"id,key"`
	Name        string         `json:"name"        db:"name"         api:"create,update,required,name,filter,sort"`
	Description string         `json:"description" db:"description"  api:"create,update,max=65535"`
	Filters     map[string]any `json:"filters"     db:"filters,json" api:"create,update,required"`
}

// A catalogPart is what one project sees of the catalog.
type catalogPart struct {
	ProjectID string `db:"project_id,key"`
	Kind      string `db:"kind"`
	PartID    string `db:"part_id"`
}

// The kinds of parts.
const (
	partEndpoint = "endpoint"
	partGroup    = "group"
)

// takes tells whether an endpoint is in the group.
func (g *endpointGroup) takes(e *endpoint) bool {
	region := ""
	if e.RegionID != nil {
		region = *e.RegionID
	}
	have := map[string]any{"service_id": e.ServiceID, "interface": e.Interface, "region_id": region, "enabled": e.Enabled}
	for name, want := range g.Filters {
		if have[name] != want {
			return false
		}
	}
	return true
}

// checkFilters holds the filters against what can be filtered by.
func (g *endpointGroup) checkFilters() error {
	for name, value := range g.Filters {
		switch value.(type) {
		case string:
			if name == "interface" || name == "service_id" || name == "region_id" {
				continue
			}
		case bool:
			if name == "enabled" {
				continue
			}
		}
		return cloud.BadRequest("filters.%s is %v; allowed: interface, service_id and region_id with a text, enabled with true or false", name, value)
	}
	return nil
}

// endpointGroups describes /OS-EP-FILTER/endpoint_groups.
func (s *Service) endpointGroups() api.Resource[endpointGroup] {
	return api.Resource[endpointGroup]{
		Name: "endpoint_group", Path: "/OS-EP-FILTER/endpoint_groups", Owner: api.Cloud, Links: true, Sort: []store.Sort{{Column: "name"}},
		Read: policy.AdminOrSystemReader, Write: policy.Admin, Rows: s.tables.endpointGroups,
		Creating: func(ctx context.Context, tx *store.Tx, _ *api.Call, in *endpointGroup) error {
			if err := in.checkFilters(); err != nil {
				return err
			}
			return s.touch(ctx, tx, catalogChanged)
		},
		Updating: func(ctx context.Context, tx *store.Tx, _ *api.Call, _, changed *endpointGroup) error {
			if err := changed.checkFilters(); err != nil {
				return err
			}
			return s.touch(ctx, tx, catalogChanged)
		},
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, g *endpointGroup) error {
			return s.dropPart(ctx, tx, partGroup, g.ID)
		},
		Below: []api.Below[endpointGroup]{
			{Method: http.MethodGet, Path: "/endpoints", Do: s.endpointsOfGroup},
			{Method: http.MethodGet, Path: "/projects", Do: func(ctx context.Context, c *api.Call, g *endpointGroup) (any, error) {
				return s.projectsWith(ctx, c, partGroup, g.ID)
			}},
		},
	}
}

// dropPart takes a part of the catalog that is deleted away from every project.
func (s *Service) dropPart(ctx context.Context, tx *store.Tx, kind, id string) error {
	if _, err := s.tables.catalogParts.In(tx).Delete(ctx, store.Eq("kind", kind), store.Eq("part_id", id)); err != nil {
		return err
	}
	return s.touch(ctx, tx, catalogChanged, change{kind: kindNoPart, id: kind + " " + id})
}

// endpointsOfGroup lists the endpoints that a group takes.
func (s *Service) endpointsOfGroup(ctx context.Context, c *api.Call, g *endpointGroup) (any, error) {
	return s.endpointList(ctx, c, g.takes)
}

// endpointList lists the endpoints that want takes.
func (s *Service) endpointList(ctx context.Context, c *api.Call, want func(*endpoint) bool) (any, error) {
	rows, err := s.tables.endpoints.List(ctx, store.Query{})
	if err != nil {
		return nil, err
	}
	list := []any{}
	for i := range rows {
		if !want(&rows[i]) {
			continue
		}
		if err := hostOfOwn(ctx, c, []*endpoint{&rows[i]}); err != nil {
			return nil, err
		}
		o, err := c.Entry(&rows[i], "/endpoints/"+rows[i].ID)
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return listOf(c, "endpoints", list), nil
}

// projectsWith lists the projects that were given a part of the catalog.
func (s *Service) projectsWith(ctx context.Context, c *api.Call, kind, id string) (any, error) {
	p, err := pageOf(c)
	if err != nil {
		return nil, err
	}
	where := []store.Cond{store.Eq("kind", kind), store.Eq("part_id", id), store.Gt("project_id", p.marker)}
	parts, err := s.tables.catalogParts.List(ctx, store.Query{Where: where, Limit: p.limit + 1})
	if err != nil {
		return nil, err
	}
	projects := func(yield func(string) bool) {
		for _, part := range parts {
			if !yield(part.ProjectID) {
				return
			}
		}
	}
	return body(c, p, "projects", byID(projects, s.now.Load().projects.at), func(p *Project) any { return projectObject(c, p) }), nil
}
