package identity

import (
	"context"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// assignmentRoutes are the roles of users and groups on projects, domains and
// the system, and those that the projects below inherit (OS-INHERIT).
func (s *Service) assignmentRoutes() []api.Route {
	routes := []api.Route{
		get("/role_assignments", ruleListAssignments, s.listAssignments),
		{Method: http.MethodHead, Path: "/role_assignments", Rule: ruleListAssignments, Handle: s.listAssignments},
		get("/role_inferences", ruleListAssignments, s.inferences),
	}
	for _, on := range []struct{ kind, path string }{
		{"project", "/projects/{target_id}"}, {"domain", "/domains/{target_id}"}, {"system", "/system"},
	} {
		for _, actor := range []struct{ kind, path string }{{"user", "/users/{actor_id}"}, {"group", "/groups/{actor_id}"}} {
			path := on.path + actor.path + "/roles"
			a := assignment{ActorKind: actor.kind, TargetKind: on.kind}
			routes = append(routes, s.rolesAt(path, "", a)...)
			if on.kind != "system" {
				a.Inherited = true
				routes = append(routes, s.rolesAt("/OS-INHERIT"+path, "/inherited_to_projects", a)...)
			}
		}
	}
	return routes
}

// rolesAt are the routes of one kind of assignment: base + end lists, base +
// role + end is one.
func (s *Service) rolesAt(base, end string, kind assignment) []api.Route {
	route := func(method, path string, do func(context.Context, *api.Call, assignment) error) api.Route {
		rule := ruleListAssignments
		if method == http.MethodPut || method == http.MethodDelete {
			rule = ruleAssignments
		}
		return api.Route{Method: method, Path: path, Rule: rule, Handle: func(ctx context.Context, c *api.Call) error {
			a, err := s.named(c, kind)
			if err != nil {
				return err
			}
			return do(ctx, c, a)
		}}
	}
	one := base + "/{role_id}" + end
	return []api.Route{
		route(http.MethodPut, one, s.grant), route(http.MethodHead, one, s.hasRole), route(http.MethodGet, one, s.hasRole),
		route(http.MethodDelete, one, s.ungrant), route(http.MethodGet, base+end, s.rolesOf),
	}
}

// named is the assignment that a path speaks of; everything in it must exist.
func (s *Service) named(c *api.Call, a assignment) (assignment, error) {
	snap := s.now.Load()
	a.ActorID, a.TargetID, a.RoleID = c.Param("actor_id"), c.Param("target_id"), c.Param("role_id")
	if a.TargetKind == "system" {
		a.TargetID = "all"
	}
	switch {
	case a.ActorKind == "user" && snap.users.at(a.ActorID) == nil:
		return a, cloud.NotFound("Could not find user: %s.", a.ActorID)
	case a.ActorKind == "group" && snap.groups.at(a.ActorID) == nil:
		return a, cloud.NotFound("Could not find group: %s.", a.ActorID)
	case a.TargetKind == "project" && snap.projects.at(a.TargetID) == nil:
		return a, cloud.NotFound("Could not find project: %s.", a.TargetID)
	case a.TargetKind == "domain" && snap.domains.at(a.TargetID) == nil:
		return a, cloud.NotFound("Could not find domain: %s.", a.TargetID)
	case a.RoleID != "" && snap.roles.at(a.RoleID) == nil:
		return a, cloud.NotFound("Could not find role: %s.", a.RoleID)
	}
	return a, nil
}

// grant answers PUT: what is there already stays. A role of a domain counts
// inside of it only.
func (s *Service) grant(ctx context.Context, c *api.Call, a assignment) error {
	snap := s.now.Load()
	if r := snap.roles.at(a.RoleID); r.DomainID != nil {
		domain := a.TargetID
		if p := snap.projects.at(a.TargetID); a.TargetKind == "project" {
			domain = p.domain()
		}
		if domain != *r.DomainID {
			return cloud.Forbidden("Project or domain %s is not in the domain %s of the role %s.", a.TargetID, *r.DomainID, r.ID)
		}
	}
	err := s.change(ctx, func(tx *store.Tx) error {
		for kind, id := range map[string]string{a.ActorKind: a.ActorID, a.TargetKind: a.TargetID, kindRole: a.RoleID} {
			if err := hold(ctx, tx, kind, id); err != nil {
				return err
			}
		}
		return s.insertAssignment(ctx, tx, &a)
	}, a.change(false))
	if err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}

// insertAssignment gives a role; what is there already stays.
func (s *Service) insertAssignment(ctx context.Context, tx *store.Tx, a *assignment) error {
	_, err := tx.ExecContext(ctx, "INSERT IGNORE INTO assignments (actor_kind, actor_id, target_kind, target_id, role_id, inherited) VALUES (?, ?, ?, ?, ?, ?)",
		a.ActorKind, a.ActorID, a.TargetKind, a.TargetID, a.RoleID, a.Inherited)
	return err
}

// on is where an assignment is.
func (a *assignment) on() target { return target{a.TargetKind, a.TargetID} }

// hasRole answers HEAD and GET.
func (s *Service) hasRole(_ context.Context, c *api.Call, a assignment) error {
	if !contains(s.now.Load().given(a.ActorID, a.Inherited, a.on()), a.RoleID) {
		return noAssignment(a)
	}
	return c.Empty(http.StatusNoContent)
}

// ungrant answers DELETE.
func (s *Service) ungrant(ctx context.Context, c *api.Call, a assignment) error {
	err := s.change(ctx, func(tx *store.Tx) error {
		n, err := s.tables.assignments.In(tx).Delete(ctx, store.Eq("actor_kind", a.ActorKind), store.Eq("actor_id", a.ActorID),
			store.Eq("target_kind", a.TargetKind), store.Eq("target_id", a.TargetID), store.Eq("role_id", a.RoleID), store.Eq("inherited", a.Inherited))
		if err == nil && n == 0 {
			return noAssignment(a)
		}
		return err
	}, a.change(true))
	if err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}

func noAssignment(a assignment) error {
	return cloud.NotFound("Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.", a.RoleID, a.ActorID, a.TargetID)
}

// rolesOf lists the roles of an actor on a target, as they were given.
func (s *Service) rolesOf(_ context.Context, c *api.Call, a assignment) error {
	snap := s.now.Load()
	roles := []any{}
	for _, id := range snap.given(a.ActorID, a.Inherited, a.on()) {
		if r := snap.roles.at(id); r != nil {
			roles = append(roles, roleObject(c, r))
		}
	}
	return c.JSON(http.StatusOK, listOf(c, "roles", roles))
}

// roleObject is a role as lists that are no resource show it.
func roleObject(c *api.Call, r *Role) any {
	o, err := c.Entry(r, "/roles/"+r.ID)
	if err != nil { // only if the tags of Role are wrong
		c.Log.Error("identity: cannot show a role", "error", err)
	}
	return o
}
