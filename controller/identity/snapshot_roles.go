package identity

import (
	"slices"
	"sort"
)

// roleSets are role ids by actor and target.
type roleSets map[string]map[target][]string

func (r roleSets) add(a *assignment) {
	if r[a.ActorID] == nil {
		r[a.ActorID] = map[target][]string{}
	}
	r[a.ActorID][a.on()] = append(r[a.ActorID][a.on()], a.RoleID)
}

// given are the assignments that count on their targets, or those that count
// on the projects below them.
func (n *snapshot) given(inherited bool) roleSets {
	if inherited {
		return n.inherited
	}
	return n.byActor
}

// heirOf are the targets whose inherited roles count on t: the projects above
// it and its domain.
func (n *snapshot) heirOf(t target) []target {
	if t.kind != "project" {
		return nil
	}
	p := n.projects[t.id]
	if p == nil || p.IsDomain {
		return nil
	}
	list := []target{{"domain", p.domain()}}
	for _, above := range n.above(t.id) {
		list = append(list, target{"project", above.ID})
	}
	return list
}

// actors are a user and its groups.
func (n *snapshot) actors(user string) []string {
	return append([]string{user}, n.groupsOf[user]...)
}

// rolesOn are the roles that a user has on a target, by itself and by its
// groups, inherited ones and those that they imply included, sorted by name.
// Roles of domains are only names for what they imply.
func (n *snapshot) rolesOn(user string, t target) []*Role {
	ids := map[string]bool{}
	from := n.heirOf(t)
	for _, actor := range n.actors(user) {
		for _, id := range n.byActor[actor][t] {
			ids[id] = true
		}
		if n.inherited[actor] == nil {
			continue
		}
		for _, above := range from {
			for _, id := range n.inherited[actor][above] {
				ids[id] = true
			}
		}
	}
	return n.rolesOfIDs(ids)
}

// rolesOfIDs are the global roles among ids and what these imply.
func (n *snapshot) rolesOfIDs(ids map[string]bool) []*Role {
	n.withImplied(ids)
	roles := make([]*Role, 0, len(ids))
	for id := range ids {
		if r := n.roles[id]; r != nil && r.DomainID == nil {
			roles = append(roles, r)
		}
	}
	sort.Slice(roles, func(i, j int) bool { return roles[i].Name < roles[j].Name })
	return roles
}

// targetsOf are the targets of a kind on which a user has a role, sorted.
func (n *snapshot) targetsOf(user, kind string) []string {
	var ids []string
	for _, actor := range n.actors(user) {
		for t := range n.byActor[actor] {
			if t.kind == kind {
				ids = append(ids, t.id)
			}
		}
		if kind != "project" {
			continue
		}
		for t := range n.inherited[actor] {
			for _, p := range n.heirs(t) {
				ids = append(ids, p.ID)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// heirs are the projects on which roles count that are inherited from t.
func (n *snapshot) heirs(t target) []*Project { return n.below(t.id) }
