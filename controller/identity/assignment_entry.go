package identity

import "github.com/cairn-cloud/cairn/controller/internal/api"

// An assignmentEntry is an assignment as the API shows it.
type assignmentEntry struct {
	Role  nameRef         `json:"role"`
	User  *nameRef        `json:"user,omitempty"`
	Group *nameRef        `json:"group,omitempty"`
	Scope assignmentScope `json:"scope"`
	Links assignmentLinks `json:"links"`
}

// A nameRef is something by its id and, if that was asked for, its name and
// where that is one.
type nameRef struct {
	ID     string   `json:"id"`
	Name   string   `json:"name,omitempty"`
	Domain *nameRef `json:"domain,omitempty"`
}

// assignmentScope has one of the first three.
type assignmentScope struct {
	Project   *nameRef        `json:"project,omitempty"`
	Domain    *nameRef        `json:"domain,omitempty"`
	System    map[string]bool `json:"system,omitempty"`
	Inherited string          `json:"OS-INHERIT:inherited_to,omitempty"`
}

type assignmentLinks struct {
	Assignment string `json:"assignment"`
	Prior      string `json:"prior_role,omitempty"`
	Membership string `json:"membership,omitempty"`
}

func (n *snapshot) assignmentEntry(c *api.Call, g granted, names bool) assignmentEntry {
	a := &g.assignment
	e := assignmentEntry{Role: nameRef{ID: a.RoleID}, Links: assignmentLinks{Assignment: c.URL(g.path())}}
	actor, on := &nameRef{ID: a.ActorID}, &nameRef{ID: a.TargetID}
	if names {
		n.addNames(a, &e.Role, actor, on)
	}
	if a.ActorKind == "group" {
		e.Group = actor
	} else {
		e.User = actor
	}
	switch a.TargetKind {
	case "project":
		e.Scope.Project = on
	case "domain":
		e.Scope.Domain = on
	default:
		e.Scope.System = map[string]bool{"all": true}
	}
	if a.Inherited || g.inherited != (target{}) {
		e.Scope.Inherited = "projects"
	}
	if g.prior != "" {
		e.Links.Prior = c.URL("/prior_role/" + g.prior + "/implies/" + a.RoleID)
	}
	if g.group != "" {
		e.Links.Membership = c.URL("/groups/" + g.group + "/users/" + a.ActorID)
	}
	return e
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
func (n *snapshot) addNames(a *assignment, role, actor, on *nameRef) {
	if r := n.roles.at(a.RoleID); r != nil {
		role.Name = r.Name
	}
	if u := n.users.at(a.ActorID); u != nil {
		actor.Name, actor.Domain = u.Name, n.domainNames(u.DomainID)
	}
	if g := n.groups.at(a.ActorID); g != nil {
		actor.Name, actor.Domain = g.Name, n.domainNames(g.DomainID)
	}
	if p := n.projects.at(a.TargetID); p != nil {
		on.Name, on.Domain = p.Name, n.domainNames(p.domain())
	}
	if d := n.domains.at(a.TargetID); d != nil && a.TargetKind == "domain" {
		*on = nameRef{ID: d.ID, Name: d.Name}
	}
}

// domainNames is a domain by id and name; nil if there is none.
func (n *snapshot) domainNames(id string) *nameRef {
	d := n.domains.at(id)
	if d == nil {
		return nil
	}
	return &nameRef{ID: d.ID, Name: d.Name}
}
