package identity

import (
	"context"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// assignmentRoutes are the roles of users and groups on projects, domains and
// the system.
func (s *Service) assignmentRoutes() []api.Route {
	routes := []api.Route{
		get("/role_assignments", ruleAssignments, s.listAssignments),
		get("/role_inferences", ruleAssignments, s.inferences),
	}
	for _, on := range []struct{ kind, path string }{
		{"project", "/projects/{target_id}"}, {"domain", "/domains/{target_id}"}, {"system", "/system"},
	} {
		for _, actor := range []struct{ kind, path string }{{"user", "/users/{actor_id}"}, {"group", "/groups/{actor_id}"}} {
			base := on.path + actor.path + "/roles"
			find := func(c *api.Call) (assignment, error) { return s.named(c, on.kind, actor.kind) }
			for method, do := range map[string]func(context.Context, *api.Call, assignment) error{
				http.MethodPut: s.grant, http.MethodHead: s.hasRole, http.MethodGet: s.hasRole, http.MethodDelete: s.ungrant,
			} {
				routes = append(routes, api.Route{Method: method, Path: base + "/{role_id}", Rule: ruleAssignments,
					Handle: func(ctx context.Context, c *api.Call) error {
						a, err := find(c)
						if err != nil {
							return err
						}
						return do(ctx, c, a)
					}})
			}
			routes = append(routes, get(base, ruleAssignments, func(_ context.Context, c *api.Call) error {
				a, err := find(c)
				if err != nil {
					return err
				}
				return s.rolesOf(c, a)
			}))
		}
	}
	return routes
}

// named is the assignment that a path speaks of; everything in it must exist.
func (s *Service) named(c *api.Call, targetKind, actorKind string) (assignment, error) {
	snap := s.now.Load()
	a := assignment{
		ActorKind: actorKind, ActorID: c.Param("actor_id"), TargetKind: targetKind, TargetID: c.Param("target_id"), RoleID: c.Param("role_id"),
	}
	if targetKind == "system" {
		a.TargetID = "all"
	}
	switch {
	case actorKind == "user" && snap.users[a.ActorID] == nil:
		return a, cloud.NotFound("Could not find user: %s.", a.ActorID)
	case actorKind == "group" && snap.groups[a.ActorID] == nil:
		return a, cloud.NotFound("Could not find group: %s.", a.ActorID)
	case targetKind == "project" && snap.projects[a.TargetID] == nil:
		return a, cloud.NotFound("Could not find project: %s.", a.TargetID)
	case targetKind == "domain" && snap.domains[a.TargetID] == nil:
		return a, cloud.NotFound("Could not find domain: %s.", a.TargetID)
	case a.RoleID != "" && snap.roles[a.RoleID] == nil:
		return a, cloud.NotFound("Could not find role: %s.", a.RoleID)
	}
	return a, nil
}

// grant answers PUT: what is there already stays.
func (s *Service) grant(ctx context.Context, c *api.Call, a assignment) error {
	err := s.change(ctx, func(tx *store.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT IGNORE INTO assignments (actor_kind, actor_id, target_kind, target_id, role_id) VALUES (?, ?, ?, ?, ?)",
			a.ActorKind, a.ActorID, a.TargetKind, a.TargetID, a.RoleID)
		return err
	})
	if err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}

// hasRole answers HEAD and GET.
func (s *Service) hasRole(_ context.Context, c *api.Call, a assignment) error {
	if !contains(s.now.Load().byActor[a.ActorID][target{a.TargetKind, a.TargetID}], a.RoleID) {
		return noAssignment(a)
	}
	return c.Empty(http.StatusNoContent)
}

// ungrant answers DELETE.
func (s *Service) ungrant(ctx context.Context, c *api.Call, a assignment) error {
	err := s.change(ctx, func(tx *store.Tx) error {
		n, err := s.tables.assignments.In(tx).Delete(ctx, store.Eq("actor_kind", a.ActorKind), store.Eq("actor_id", a.ActorID),
			store.Eq("target_kind", a.TargetKind), store.Eq("target_id", a.TargetID), store.Eq("role_id", a.RoleID))
		if err == nil && n == 0 {
			return noAssignment(a)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}

func noAssignment(a assignment) error {
	return cloud.NotFound("Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.", a.RoleID, a.ActorID, a.TargetID)
}

// rolesOf lists the roles of an actor on a target, as they were given.
func (s *Service) rolesOf(c *api.Call, a assignment) error {
	snap := s.now.Load()
	roles := []any{}
	for _, id := range snap.byActor[a.ActorID][target{a.TargetKind, a.TargetID}] {
		if r := snap.roles[id]; r != nil {
			roles = append(roles, roleObject(c, r))
		}
	}
	return c.JSON(http.StatusOK, listOf(c, "roles", roles))
}

func roleObject(c *api.Call, r *Role) any {
	return map[string]any{
		"id": r.ID, "name": r.Name, "domain_id": nil, "description": r.Description, "options": struct{}{}, "links": self(c, "/roles/"+r.ID),
	}
}

// inferences says which role implies which.
func (s *Service) inferences(_ context.Context, c *api.Call) error {
	snap := s.now.Load()
	list := []any{}
	for i, name := range impliedChain[:len(impliedChain)-1] {
		prior, next := snap.roleNamed[name], snap.roleNamed[impliedChain[i+1]]
		if prior != nil && next != nil {
			list = append(list, map[string]any{"prior_role": roleObject(c, prior), "implies": []any{roleObject(c, next)}})
		}
	}
	return c.JSON(http.StatusOK, map[string]any{"role_inferences": list, "links": self(c, "/role_inferences")})
}
