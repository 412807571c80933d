package identity

import (
	"context"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// filterRoutes join projects with the parts of the catalog that they see.
func (s *Service) filterRoutes() []api.Route {
	const base = "/OS-EP-FILTER"
	routes := []api.Route{
		get(base+"/endpoints/{part_id}/projects", ruleFilter, func(ctx context.Context, c *api.Call) error {
			list, err := s.projectsWith(ctx, c, partEndpoint, c.Param("part_id"))
			return answer(c, list, err)
		}),
		get(base+"/projects/{project_id}/endpoints", ruleFilter, func(ctx context.Context, c *api.Call) error {
			parts := s.now.Load().endpointsOf(c.Param("project_id"))
			list, err := s.endpointList(ctx, c, func(e *endpoint) bool { return parts[e.ID] })
			return answer(c, list, err)
		}),
		get(base+"/projects/{project_id}/endpoint_groups", ruleFilter, s.groupsOfProject),
	}
	for _, on := range []struct{ kind, path string }{
		{partEndpoint, base + "/projects/{project_id}/endpoints/{part_id}"}, {partGroup, base + "/endpoint_groups/{part_id}/projects/{project_id}"},
	} {
		for method, do := range map[string]func(context.Context, *api.Call, catalogPart) error{
			http.MethodPut: s.givePart, http.MethodGet: s.hasPart, http.MethodHead: s.hasPart, http.MethodDelete: s.takePart,
		} {
			routes = append(routes, api.Route{Method: method, Path: on.path, Rule: ruleFilter, Handle: func(ctx context.Context, c *api.Call) error {
				return do(ctx, c, catalogPart{ProjectID: c.Param("project_id"), Kind: on.kind, PartID: c.Param("part_id")})
			}})
		}
	}
	return routes
}

// answer writes 200 with what a handler gave, or its error.
func answer(c *api.Call, body any, err error) error {
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, body)
}

// givePart answers PUT: what is there already stays.
func (s *Service) givePart(ctx context.Context, c *api.Call, p catalogPart) error {
	if s.now.Load().projects.at(p.ProjectID) == nil {
		return cloud.NotFound("Could not find project: %s.", p.ProjectID)
	}
	var err error
	if p.Kind == partEndpoint {
		_, err = s.tables.endpoints.Get(ctx, p.PartID)
	} else {
		_, err = s.tables.endpointGroups.Get(ctx, p.PartID)
	}
	if err != nil {
		return err
	}
	err = s.change(ctx, func(tx *store.Tx) error {
		if err := hold(ctx, tx, kindProject, p.ProjectID); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT IGNORE INTO catalog_parts (project_id, kind, part_id) VALUES (?, ?, ?)", p.ProjectID, p.Kind, p.PartID)
		return err
	}, p.change(false))
	if err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}

// hasPart answers GET and HEAD: of a group GET answers the group.
func (s *Service) hasPart(ctx context.Context, c *api.Call, p catalogPart) error {
	n, err := s.tables.catalogParts.Count(ctx, store.Eq("project_id", p.ProjectID), store.Eq("kind", p.Kind), store.Eq("part_id", p.PartID))
	if err != nil {
		return err
	}
	if n == 0 {
		return cloud.NotFound("Project %s has not the %s %s.", p.ProjectID, p.Kind, p.PartID)
	}
	if p.Kind == partEndpoint {
		return c.Empty(http.StatusNoContent)
	}
	g, err := s.tables.endpointGroups.Get(ctx, p.PartID)
	if err != nil {
		return err
	}
	o, err := c.Entry(g, "/OS-EP-FILTER/endpoint_groups/"+g.ID)
	return answer(c, map[string]any{"endpoint_group": o}, err)
}

// takePart answers DELETE.
func (s *Service) takePart(ctx context.Context, c *api.Call, p catalogPart) error {
	err := s.change(ctx, func(tx *store.Tx) error {
		n, err := s.tables.catalogParts.In(tx).Delete(ctx, store.Eq("project_id", p.ProjectID), store.Eq("kind", p.Kind), store.Eq("part_id", p.PartID))
		if err == nil && n == 0 {
			err = cloud.NotFound("Project %s has not the %s %s.", p.ProjectID, p.Kind, p.PartID)
		}
		return err
	}, p.change(true))
	if err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}

// groupsOfProject lists the groups that a project was given.
func (s *Service) groupsOfProject(ctx context.Context, c *api.Call) error {
	where := []store.Cond{store.Sub("id", "SELECT part_id FROM catalog_parts WHERE kind = 'group' AND project_id = ?", c.Param("project_id"))}
	rows, err := s.tables.endpointGroups.List(ctx, store.Query{Where: where})
	if err != nil {
		return err
	}
	list := []any{}
	for i := range rows {
		o, err := c.Entry(&rows[i], "/OS-EP-FILTER/endpoint_groups/"+rows[i].ID)
		if err != nil {
			return err
		}
		list = append(list, o)
	}
	return c.JSON(http.StatusOK, listOf(c, "endpoint_groups", list))
}
