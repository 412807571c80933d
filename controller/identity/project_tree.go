package identity

import (
	"encoding/json"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// above are the projects over one, nearest first; the domain is the last.
func (n *snapshot) above(id string) []*Project {
	var list []*Project
	for p := n.projects.at(id); p != nil && !p.IsDomain && len(list) <= maxDepth; {
		if p = n.projects.at(p.parent()); p != nil {
			list = append(list, p)
		}
	}
	return list
}

// below are the projects under one, at any depth.
func (n *snapshot) below(id string) []*Project {
	var list []*Project
	for child := range n.children.of(id) {
		list = append(list, child)
		list = append(list, n.below(child.ID)...)
	}
	return list
}

// null is a member that is there and says nothing.
var null = json.RawMessage("null")

// parentIDs nests the ids of the projects above: {"parent": {"domain": null}}.
func (n *snapshot) parentIDs(id string) any {
	var nest any = null
	above := n.above(id)
	slices.Reverse(above)
	for _, p := range above {
		nest = map[string]any{p.ID: nest}
	}
	return nest
}

// childIDs nests the ids of the projects below.
func (n *snapshot) childIDs(id string) any {
	nest := map[string]any{}
	for p := range n.children.of(id) {
		nest[p.ID] = n.childIDs(p.ID)
	}
	if len(nest) == 0 {
		return null
	}
	return nest
}

// addTrees adds what the query asks for: parents_as_list, parents_as_ids,
// subtree_as_list, subtree_as_ids. Lists have the projects on which the caller
// has a role, ids all.
func (n *snapshot) addTrees(c *api.Call, p *Project) error {
	q := c.Query()
	for _, what := range []string{"parents", "subtree"} {
		if q.Has(what+"_as_list") && q.Has(what+"_as_ids") {
			return cloud.BadRequest("Use either %s_as_list or %s_as_ids, not both at the same time.", what, what)
		}
	}
	list := func(projects []*Project) any {
		entries := []any{}
		for _, o := range projects {
			if c.Caller.IsAdmin || len(n.rolesOn(c.Caller.UserID, target{"project", o.ID})) > 0 {
				entries = append(entries, map[string]any{"project": projectObject(c, o)})
			}
		}
		return entries
	}
	switch {
	case q.Has("parents_as_list"):
		p.Parents = list(n.above(p.ID))
	case q.Has("parents_as_ids"):
		p.Parents = n.parentIDs(p.ID)
	}
	switch {
	case q.Has("subtree_as_list"):
		p.Subtree = list(n.below(p.ID))
	case q.Has("subtree_as_ids"):
		p.Subtree = n.childIDs(p.ID)
	}
	return nil
}
