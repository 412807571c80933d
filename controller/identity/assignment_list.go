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
// adds names. A page costs what it shows, whatever there is (see
// [snapshot.granted]).
func (s *Service) listAssignments(_ context.Context, c *api.Call) error {
	snap := s.now.Load()
	f, err := snap.assignmentFilter(c.Query())
	if err != nil {
		return err
	}
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	from, err := parsePlace(p.marker)
	if err != nil {
		return err
	}
	entries, last, more := []assignmentEntry{}, place{}, false
	for at, g := range snap.granted(f, from) {
		if more = len(entries) == p.limit; more {
			break
		}
		entries, last = append(entries, snap.assignmentEntry(c, g, f.names)), at
	}
	return c.JSON(http.StatusOK, p.envelope(c, "role_assignments", entries, last.String(), more))
}

// An assignmentFilter is what a query asks of assignments.
type assignmentFilter struct {
	user, group, role, domain string
	projects                  []string // one of them, sorted; nil: any
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
		slices.Sort(f.projects)
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

// takes tells whether the filter takes an assignment: as it was written down,
// or with effective what it amounts to on some target.
func (f *assignmentFilter) takes(a *assignment) bool {
	amounts := f.effective && a.Inherited // to roles on projects
	switch {
	case !f.effective && f.user != "" && (a.ActorKind != "user" || a.ActorID != f.user),
		f.group != "" && (a.ActorKind != "group" || a.ActorID != f.group),
		!f.effective && f.role != "" && a.RoleID != f.role,
		f.domain != "" && (amounts || a.TargetKind != "domain" || a.TargetID != f.domain),
		f.projects != nil && !amounts && (a.TargetKind != "project" || !f.hasProject(a.TargetID)),
		f.system && a.TargetKind != "system",
		f.inherited && !a.Inherited:
		return false
	}
	return true
}

func (f *assignmentFilter) hasProject(id string) bool {
	_, ok := slices.BinarySearch(f.projects, id)
	return ok
}
