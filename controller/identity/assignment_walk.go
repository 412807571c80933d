package identity

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A place is where a list of assignments goes on: behind this entry. Its parts
// are in the order of the list.
type place struct {
	Stretch            string // the stretch's key
	Assignment         *assignment
	User, Target, Role string // of what the assignment amounts to; empty if it is shown as it is
}

// String is the place as a marker.
func (p place) String() string {
	a := p.Assignment
	if a == nil {
		return ""
	}
	words := []string{p.Stretch, a.change(false).id, p.User, p.Target, p.Role}
	text, err := json.Marshal(words)
	if err != nil { // texts can be written
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func parsePlace(marker string) (place, error) {
	if marker == "" {
		return place{}, nil
	}
	var w []string
	text, err := base64.RawURLEncoding.DecodeString(marker)
	if err == nil {
		err = json.Unmarshal(text, &w)
	}
	if err != nil || len(w) != 5 {
		return place{}, cloud.BadRequest("marker [%.100s] not found", marker)
	}
	a := change{id: w[1]}.assignment()
	return place{Stretch: w[0], Assignment: &a, User: w[2], Target: w[3], Role: w[4]}, nil
}

// A stretch is neighbours in one of the orders of assignments.
type stretch struct {
	key  string // stretches of a list are sorted by it
	tree *tree[*assignment]
	in   func(a *assignment) int // zero for what is in it
	on   string                  // what is inherited counts on this project only; empty: on all
}

// stretches are those that have everything that a filter takes, and little
// else, sorted.
func (n *snapshot) stretches(f *assignmentFilter) []stretch {
	switch {
	case f.user != "" && f.effective:
		return n.ofActors(n.actors(f.user, nil))
	case f.user != "" || f.group != "":
		return n.ofActors([]string{f.user + f.group})
	case f.projects != nil:
		return n.ofProjects(f)
	case f.domain != "":
		return []stretch{n.onTarget(target{"domain", f.domain})}
	case f.system:
		return []stretch{n.onTarget(target{"system", "all"})}
	case f.role != "":
		return n.ofRoles(f)
	default:
		return []stretch{{tree: &n.byActor, in: func(*assignment) int { return 0 }}}
	}
}

func (n *snapshot) ofActors(ids []string) []stretch {
	slices.Sort(ids)
	var list []stretch
	for _, id := range slices.Compact(ids) {
		list = append(list, stretch{key: id, tree: &n.byActor, in: func(a *assignment) int { return strings.Compare(a.ActorID, id) }})
	}
	return list
}

// onTarget are the assignments on a target and, inherited, below it.
func (n *snapshot) onTarget(on target) stretch {
	return stretch{key: on.kind + " " + on.id, tree: &n.byTarget, in: func(a *assignment) int {
		return comparePair(a.TargetKind, on.kind, a.TargetID, on.id)
	}}
}

// ofProjects are the assignments on projects and, with effective, those that
// they inherit.
func (n *snapshot) ofProjects(f *assignmentFilter) []stretch {
	var list []stretch
	for _, id := range f.projects {
		if !f.effective {
			list = append(list, n.onTarget(target{"project", id}))
			continue
		}
		on := target{"project", id}
		list = append(list, stretch{key: id, tree: &n.byTarget, in: func(a *assignment) int { return a.byTarget(on, false) }})
		for _, above := range n.heirOf(on) {
			list = append(list, stretch{
				key: id + " " + above.kind + " " + above.id, on: id,
				tree: &n.byTarget, in: func(a *assignment) int { return a.byTarget(above, true) },
			})
		}
	}
	slices.SortFunc(list, func(a, b stretch) int { return strings.Compare(a.key, b.key) })
	return list
}

// ofRoles are the assignments of a role and, with effective, of those that
// imply it.
func (n *snapshot) ofRoles(f *assignmentFilter) []stretch {
	var list []stretch
	for r := range n.roles.rows() {
		ids := map[string]bool{r.ID: true}
		if f.effective {
			n.withImplied(ids)
		}
		if ids[f.role] {
			list = append(list, stretch{key: r.ID, tree: &n.byRole, in: func(a *assignment) int { return strings.Compare(a.RoleID, r.ID) }})
		}
	}
	return list
}

// granted gives what a filter takes behind a place, each with its own place.
// What is before the place is not walked through.
func (n *snapshot) granted(f *assignmentFilter, from place) iter.Seq2[place, granted] {
	return func(yield func(place, granted) bool) {
		for _, st := range n.stretches(f) {
			if st.key < from.Stretch {
				continue
			}
			resumed := from.Assignment != nil && st.key == from.Stretch
			for a := range st.from(from.Assignment, resumed) {
				at := place{Stretch: st.key, Assignment: a}
				if !f.takes(a) {
					continue
				}
				if resumed && *a == *from.Assignment {
					at.User, at.Target, at.Role = from.User, from.Target, from.Role
				}
				if !n.amounts(f, st, at, yield) {
					return
				}
			}
		}
	}
}

// from are the assignments of a stretch, from one on if it is resumed.
func (st *stretch) from(a *assignment, resumed bool) iter.Seq[*assignment] {
	return func(yield func(*assignment) bool) {
		for x := range st.tree.from(func(x *assignment) int {
			if c := st.in(x); c != 0 || !resumed {
				return c
			}
			return st.tree.order(x, a)
		}) {
			if st.in(x) != 0 {
				return
			}
			if !yield(x) {
				return
			}
		}
	}
}

// amounts gives what one assignment amounts to, behind the place: for each
// user of a group, on each project that inherits it, the role and what it
// implies. It tells whether to go on.
func (n *snapshot) amounts(f *assignmentFilter, st stretch, at place, yield func(place, granted) bool) bool {
	a := at.Assignment
	if !f.effective {
		return at.Role != "" || yield(place{at.Stretch, a, "", "", asItIs}, granted{assignment: *a})
	}
	roles := n.rolesFor(f, a)
	if len(roles) == 0 {
		return true
	}
	targets := n.targetsFor(f, st, a)
	first := at
	for user := range n.usersFor(f, a, at.User) {
		for _, t := range targets {
			if user == first.User && t < first.Target {
				continue
			}
			for _, r := range roles {
				if user == first.User && t == first.Target && r.ID <= first.Role {
					continue
				}
				if !yield(place{at.Stretch, a, user, t, r.ID}, n.amount(a, user, t, r)) {
					return false
				}
			}
		}
	}
	return true
}

// asItIs stands in a place for the role of an assignment that was shown.
const asItIs = "shown"

// amount is one of what an assignment amounts to.
func (n *snapshot) amount(a *assignment, user, on string, r *Role) granted {
	g := granted{assignment: assignment{"user", user, a.TargetKind, on, r.ID, false}}
	if a.Inherited {
		g.TargetKind, g.inherited = "project", a.on()
	}
	if a.ActorKind == "group" {
		g.group = a.ActorID
	}
	if r.ID != a.RoleID {
		g.prior = a.RoleID
	}
	return g
}

// rolesFor are the roles that an assignment amounts to, sorted by id.
func (n *snapshot) rolesFor(f *assignmentFilter, a *assignment) []*Role {
	roles := n.rolesOfIDs(map[string]bool{a.RoleID: true})
	roles = slices.DeleteFunc(roles, func(r *Role) bool { return f.role != "" && r.ID != f.role })
	slices.SortFunc(roles, func(a, b *Role) int { return strings.Compare(a.ID, b.ID) })
	return roles
}

// targetsFor are the targets on which an assignment counts, sorted by id.
func (n *snapshot) targetsFor(f *assignmentFilter, st stretch, a *assignment) []string {
	var ids []string
	switch {
	case !a.Inherited:
		return []string{a.TargetID}
	case st.on != "":
		return []string{st.on}
	case f.projects != nil:
		for _, id := range f.projects {
			if slices.Contains(n.heirOf(target{"project", id}), a.on()) {
				ids = append(ids, id)
			}
		}
		return ids
	default:
		for _, p := range n.heirs(a.on()) {
			ids = append(ids, p.ID)
		}
		slices.Sort(ids)
		return ids
	}
}

// usersFor are the users who have a role by an assignment, from one on, sorted
// by id.
func (n *snapshot) usersFor(f *assignmentFilter, a *assignment, from string) iter.Seq[string] {
	switch {
	case a.ActorKind != "group":
		return slices.Values([]string{a.ActorID})
	case f.user != "":
		return slices.Values([]string{f.user})
	default:
		return n.membersOf(a.ActorID, from)
	}
}
