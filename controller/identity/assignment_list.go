package identity

import (
	"context"
	"net/http"
	"net/url"

	"github.com/cairn-cloud/cairn/controller/internal/api"
)

// listAssignments answers GET /role_assignments with the filters user.id,
// group.id, role.id, scope.project.id, scope.domain.id and scope.system;
// effective resolves groups and implied roles, include_names adds names.
func (s *Service) listAssignments(_ context.Context, c *api.Call) error {
	snap, q := s.now.Load(), c.Query()
	list := snap.assignments
	_, effective := q["effective"]
	if effective {
		list = snap.effective()
	}
	_, names := q["include_names"]
	entries := []any{}
	for _, a := range list {
		if a.fits(q) {
			entries = append(entries, snap.assignmentObject(c, &a, names))
		}
	}
	return c.JSON(http.StatusOK, listOf(c, "role_assignments", entries))
}

// fits tells whether the query asks for the assignment.
func (a *assignment) fits(q url.Values) bool {
	for filter, have := range map[string]struct{ kind, want, id string }{
		"user.id":          {a.ActorKind, "user", a.ActorID},
		"group.id":         {a.ActorKind, "group", a.ActorID},
		"scope.project.id": {a.TargetKind, "project", a.TargetID},
		"scope.domain.id":  {a.TargetKind, "domain", a.TargetID},
		"role.id":          {"", "", a.RoleID},
	} {
		if id := q.Get(filter); id != "" && (have.kind != have.want || have.id != id) {
			return false
		}
	}
	return q.Get("scope.system") == "" || a.TargetKind == "system"
}

// effective are the assignments with groups as their users and roles with
// those that they imply.
func (n *snapshot) effective() []assignment {
	var list []assignment
	for _, user := range sortedKeys(n.users) {
		for _, kind := range []string{"project", "domain", "system"} {
			for _, id := range n.targetsOf(user, kind) {
				for _, r := range n.rolesOn(user, target{kind, id}) {
					list = append(list, assignment{"user", user, kind, id, r.ID})
				}
			}
		}
	}
	return list
}

// assignmentObject is an assignment as the API shows it.
func (n *snapshot) assignmentObject(c *api.Call, a *assignment, names bool) any {
	role := map[string]any{"id": a.RoleID}
	actor := map[string]any{"id": a.ActorID}
	on := map[string]any{"id": a.TargetID}
	if names {
		n.addNames(a, role, actor, on)
	}
	link := "/" + a.TargetKind + "s/" + a.TargetID + "/" + a.ActorKind + "s/" + a.ActorID + "/roles/" + a.RoleID
	scope := map[string]any{a.TargetKind: on}
	if a.TargetKind == "system" {
		scope = map[string]any{"system": map[string]bool{"all": true}}
		link = "/system/" + a.ActorKind + "s/" + a.ActorID + "/roles/" + a.RoleID
	}
	return map[string]any{"role": role, a.ActorKind: actor, "scope": scope, "links": map[string]string{"assignment": c.URL(link)}}
}

// addNames adds names to what an assignment joins.
func (n *snapshot) addNames(a *assignment, role, actor, on map[string]any) {
	if r := n.roles[a.RoleID]; r != nil {
		role["name"] = r.Name
	}
	if u := n.users[a.ActorID]; u != nil {
		actor["name"], actor["domain"] = u.Name, domainRef(n.domains[u.DomainID])
	}
	if g := n.groups[a.ActorID]; g != nil {
		actor["name"], actor["domain"] = g.Name, domainRef(n.domains[g.DomainID])
	}
	if p := n.projects[a.TargetID]; p != nil {
		on["name"], on["domain"] = p.Name, domainRef(n.domains[p.domain()])
	}
	if d := n.domains[a.TargetID]; d != nil && a.TargetKind == "domain" {
		on["name"] = d.Name
	}
}
