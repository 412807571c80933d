package identity

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A granted is an assignment as a list shows it, with where it comes from when
// it is not what was written down.
type granted struct {
	assignment
	group     string // the user has it by this group
	prior     string // this role implies it
	inherited target // the project has it from there
}

// listAssignments answers GET /role_assignments with the filters user.id,
// group.id, role.id, scope.project.id, scope.domain.id, scope.system and
// scope.OS-INHERIT:inherited_to; effective resolves groups, inherited and
// implied roles, include_subtree takes in the projects below, include_names
// adds names.
func (s *Service) listAssignments(_ context.Context, c *api.Call) error {
	snap := s.now.Load()
	f, err := snap.assignmentFilter(c.Query())
	if err != nil {
		return err
	}
	entries := []any{}
	for a := range snap.byActor.all() {
		list := []granted{{assignment: *a}}
		if f.effective {
			list = snap.effective(a, f)
		}
		for j := range list {
			if f.fits(&list[j]) {
				entries = append(entries, snap.assignmentObject(c, &list[j], f.names))
			}
		}
	}
	return c.JSON(http.StatusOK, listOf(c, "role_assignments", entries))
}

// An assignmentFilter is what a query asks of assignments.
type assignmentFilter struct {
	user, group, role, domain string
	projects                  []string // one of them; nil: any
	system, effective, names  bool
	inherited                 bool
}

func (n *snapshot) assignmentFilter(q url.Values) (*assignmentFilter, error) {
	flag := func(name string) bool {
		v := q.Get(name)
		return q.Has(name) && v != "0" && v != "false" && v != "False"
	}
	f := &assignmentFilter{
		user: q.Get("user.id"), group: q.Get("group.id"), role: q.Get("role.id"), domain: q.Get("scope.domain.id"),
		system: q.Get("scope.system") != "", effective: flag("effective"), names: flag("include_names"),
	}
	project := q.Get("scope.project.id")
	if project != "" {
		f.projects = []string{project}
	}
	if flag("include_subtree") {
		if project == "" {
			return nil, cloud.BadRequest("scope.project.id must be specified if include_subtree is also specified")
		}
		for _, p := range n.below(project) {
			f.projects = append(f.projects, p.ID)
		}
	}
	if to := q.Get("scope.OS-INHERIT:inherited_to"); to != "" {
		if to != "projects" {
			return nil, cloud.BadRequest("scope.OS-INHERIT:inherited_to is %q; allowed: projects", to)
		}
		f.inherited = true
	}
	switch {
	case f.effective && f.group != "":
		return nil, cloud.BadRequest("Combining effective and group filter will always result in an empty list.")
	case f.effective && f.inherited && f.domain != "":
		return nil, cloud.BadRequest("Combining effective, domain and inherited filters will always result in an empty list.")
	case project != "" && f.domain != "", f.user != "" && f.group != "":
		return nil, cloud.BadRequest("Specify a domain or project, a user or group, not both.")
	}
	return f, nil
}

// fits tells whether the filter takes an assignment.
func (f *assignmentFilter) fits(g *granted) bool {
	a := &g.assignment
	switch {
	case f.user != "" && (a.ActorKind != "user" || a.ActorID != f.user),
		f.group != "" && (a.ActorKind != "group" || a.ActorID != f.group),
		f.role != "" && a.RoleID != f.role,
		f.domain != "" && (a.TargetKind != "domain" || a.TargetID != f.domain),
		f.projects != nil && (a.TargetKind != "project" || !slices.Contains(f.projects, a.TargetID)),
		f.system && a.TargetKind != "system",
		f.inherited && !a.Inherited && g.inherited == (target{}):
		return false
	}
	return true
}

// effective is what an assignment amounts to: for each user of a group, on
// each project that inherits it, the role and what it implies.
func (n *snapshot) effective(a *assignment, f *assignmentFilter) []granted {
	users := []string{a.ActorID}
	group := ""
	if a.ActorKind == "group" {
		users, group = slices.Collect(n.membersOf(a.ActorID, "")), a.ActorID
	}
	targets, from := []string{a.TargetID}, target{}
	kind := a.TargetKind
	if a.Inherited {
		targets, from, kind = nil, a.on(), "project"
		for _, p := range n.heirs(a.on()) {
			targets = append(targets, p.ID)
		}
	}
	var list []granted
	for _, u := range users {
		if f.user != "" && u != f.user {
			continue
		}
		for _, t := range targets {
			for _, r := range n.rolesOfIDs(map[string]bool{a.RoleID: true}) {
				g := granted{assignment{"user", u, kind, t, r.ID, false}, group, "", from}
				if r.ID != a.RoleID {
					g.prior = a.RoleID
				}
				list = append(list, g)
			}
		}
	}
	return list
}

// assignmentObject is an assignment as the API shows it.
func (n *snapshot) assignmentObject(c *api.Call, g *granted, names bool) any {
	a := &g.assignment
	role := map[string]any{"id": a.RoleID}
	actor := map[string]any{"id": a.ActorID}
	on := map[string]any{"id": a.TargetID}
	if names {
		n.addNames(a, role, actor, on)
	}
	scope := map[string]any{a.TargetKind: on}
	if a.TargetKind == "system" {
		scope = map[string]any{"system": map[string]bool{"all": true}}
	}
	if a.Inherited || g.inherited != (target{}) {
		scope["OS-INHERIT:inherited_to"] = "projects"
	}
	links := map[string]string{"assignment": c.URL(g.path())}
	if g.prior != "" {
		links["prior_role"] = c.URL("/prior_role/" + g.prior + "/implies/" + a.RoleID)
	}
	if g.group != "" {
		links["membership"] = c.URL("/groups/" + g.group + "/users/" + a.ActorID)
	}
	return map[string]any{"role": role, a.ActorKind: actor, "scope": scope, "links": links}
}

// path is where the assignment is that was written down.
func (g *granted) path() string {
	on, actor, role := target{g.TargetKind, g.TargetID}, target{g.ActorKind, g.ActorID}, g.RoleID
	if g.inherited != (target{}) {
		on = g.inherited
	}
	if g.group != "" {
		actor = target{"group", g.group}
	}
	if g.prior != "" {
		role = g.prior
	}
	path := "/" + on.kind + "s/" + on.id
	if on.kind == "system" {
		path = "/system"
	}
	path += "/" + actor.kind + "s/" + actor.id + "/roles/" + role
	if g.Inherited || g.inherited != (target{}) {
		return "/OS-INHERIT" + path + "/inherited_to_projects"
	}
	return path
}

// addNames adds names to what an assignment joins.
func (n *snapshot) addNames(a *assignment, role, actor, on map[string]any) {
	if r := n.roles.at(a.RoleID); r != nil {
		role["name"] = r.Name
	}
	if u := n.users.at(a.ActorID); u != nil {
		actor["name"], actor["domain"] = u.Name, domainRef(n.domains.at(u.DomainID))
	}
	if g := n.groups.at(a.ActorID); g != nil {
		actor["name"], actor["domain"] = g.Name, domainRef(n.domains.at(g.DomainID))
	}
	if p := n.projects.at(a.TargetID); p != nil {
		on["name"], on["domain"] = p.Name, domainRef(n.domains.at(p.domain()))
	}
	if d := n.domains.at(a.TargetID); d != nil && a.TargetKind == "domain" {
		on["name"] = d.Name
	}
}
