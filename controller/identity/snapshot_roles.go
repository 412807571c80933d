package identity

import (
	"slices"
	"sort"
	"strings"
)

// compareByActor orders assignments by actor; those that count on the target
// come before those that count below it.
func compareByActor(a, b *assignment) int {
	if c := a.byActor(b.ActorID, b.Inherited, b.on()); c != 0 {
		return c
	}
	return comparePair(a.RoleID, b.RoleID, a.ActorKind, b.ActorKind)
}

// byActor compares the first parts of that order.
func (a *assignment) byActor(actor string, inherited bool, on target) int {
	if c := strings.Compare(a.ActorID, actor); c != 0 {
		return c
	}
	if c := compareBool(a.Inherited, inherited); c != 0 {
		return c
	}
	return comparePair(a.TargetKind, on.kind, a.TargetID, on.id)
}

// compareByTarget orders assignments by target.
func compareByTarget(a, b *assignment) int {
	if c := a.byTarget(b.on(), b.Inherited); c != 0 {
		return c
	}
	if c := comparePair(a.ActorID, b.ActorID, a.RoleID, b.RoleID); c != 0 {
		return c
	}
	return strings.Compare(a.ActorKind, b.ActorKind)
}

// byTarget compares the first parts of that order.
func (a *assignment) byTarget(on target, inherited bool) int {
	if c := comparePair(a.TargetKind, on.kind, a.TargetID, on.id); c != 0 {
		return c
	}
	return compareBool(a.Inherited, inherited)
}

// compareByRole orders assignments by role.
func compareByRole(a, b *assignment) int {
	if c := strings.Compare(a.RoleID, b.RoleID); c != 0 {
		return c
	}
	return compareByActor(a, b)
}

// compareBool has false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// given are the ids of the roles that an actor was given on a target, or with
// inherited on what is below it, sorted.
func (n *snapshot) given(actor string, inherited bool, on target) []string {
	var list []string
	for a := range n.byActor.within(func(a *assignment) int { return a.byActor(actor, inherited, on) }) {
		list = append(list, a.RoleID)
	}
	return list
}

// targetsGiven are the targets on which an actor was given roles, or with
// inherited below which, sorted.
func (n *snapshot) targetsGiven(actor string, inherited bool) []target {
	var list []target
	for a := range n.byActor.from(func(a *assignment) int { return a.byActor(actor, inherited, target{}) }) {
		if a.ActorID != actor || a.Inherited != inherited {
			break
		}
		if len(list) == 0 || list[len(list)-1] != a.on() {
			list = append(list, a.on())
		}
	}
	return list
}

// heirOf are the targets whose inherited roles count on t: the projects above
// it and its domain.
func (n *snapshot) heirOf(t target) []target {
	if t.kind != "project" {
		return nil
	}
	p := n.projects.at(t.id)
	if p == nil || p.IsDomain {
		return nil
	}
	list := []target{{"domain", p.domain()}}
	for _, above := range n.above(t.id) {
		list = append(list, target{"project", above.ID})
	}
	return list
}

// actors are a user and its groups, those included that a token says it has.
func (n *snapshot) actors(user string, said []string) []string {
	return append(append([]string{user}, n.groupsOf(user)...), said...)
}

// rolesOn are the roles that a user has on a target, by itself and by its
// groups, inherited ones and those that they imply included, sorted by name.
// Roles of domains are only names for what they imply.
func (n *snapshot) rolesOn(user string, t target, said ...string) []*Role {
	ids := map[string]bool{}
	from := n.heirOf(t)
	for _, actor := range n.actors(user, said) {
		for _, id := range n.given(actor, false, t) {
			ids[id] = true
		}
		if !n.hasInherited(actor) {
			continue
		}
		for _, above := range from {
			for _, id := range n.given(actor, true, above) {
				ids[id] = true
			}
		}
	}
	return n.rolesOfIDs(ids)
}

// hasInherited tells whether an actor has any role that is inherited.
func (n *snapshot) hasInherited(actor string) bool {
	_, ok := n.byActor.first(func(a *assignment) int {
		if c := strings.Compare(a.ActorID, actor); c != 0 {
			return c
		}
		return compareBool(a.Inherited, true)
	})
	return ok
}

// rolesOfIDs are the global roles among ids and what these imply.
func (n *snapshot) rolesOfIDs(ids map[string]bool) []*Role {
	n.withImplied(ids)
	roles := make([]*Role, 0, len(ids))
	for id := range ids {
		if r := n.roles.at(id); r != nil && r.DomainID == nil {
			roles = append(roles, r)
		}
	}
	sort.Slice(roles, func(i, j int) bool { return roles[i].Name < roles[j].Name })
	return roles
}

// targetsOf are the targets of a kind on which a user has a role, sorted.
func (n *snapshot) targetsOf(user, kind string, said ...string) []string {
	var ids []string
	for _, actor := range n.actors(user, said) {
		for _, t := range n.targetsGiven(actor, false) {
			if t.kind == kind {
				ids = append(ids, t.id)
			}
		}
		if kind != "project" {
			continue
		}
		for _, t := range n.targetsGiven(actor, true) {
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
