package identity

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// someSnapshot has a few of everything, with roles given at random.
func someSnapshot(r *rand.Rand) *snapshot {
	e := emptySnapshot().edit()
	e.putDomain(&Domain{ID: "d", Name: "d", Enabled: true})
	e.putProject(&Project{ID: "d", Name: "d", DomainID: new("d"), ParentID: new(""), IsDomain: true, Enabled: true})
	parents := []string{"d"}
	for i := range 12 {
		p := &Project{ID: fmt.Sprintf("p%02d", i), DomainID: new("d"), ParentID: new(parents[r.IntN(len(parents))]), Enabled: true}
		p.Name = p.ID
		e.putProject(p)
		parents = append(parents, p.ID)
	}
	for i := range 5 {
		e.putRole(&Role{ID: fmt.Sprintf("r%d", i), Name: fmt.Sprintf("role%d", 9-i)})
	}
	e.putRole(&Role{ID: "r9", Name: "ofdomain", DomainID: new("d")})
	e.implied.put(e.by, implication{"r0", "r1"})
	e.implied.put(e.by, implication{"r1", "r2"})
	e.implied.put(e.by, implication{"r9", "r3"})
	for i := range 4 {
		e.putGroup(&Group{ID: fmt.Sprintf("g%d", i), DomainID: "d", Name: fmt.Sprint(i)})
	}
	for i := range 9 {
		u := fmt.Sprintf("u%d", i)
		e.putUser(&User{ID: u, DomainID: "d", Name: u, Enabled: true})
		for g := range 4 {
			if r.IntN(3) == 0 {
				e.putMember(member{GroupID: fmt.Sprintf("g%d", g), UserID: u})
			}
		}
	}
	for range 60 {
		a := assignment{ActorKind: "user", ActorID: fmt.Sprintf("u%d", r.IntN(9)), TargetKind: "project", TargetID: fmt.Sprintf("p%02d", r.IntN(12)),
			RoleID: []string{"r0", "r1", "r2", "r3", "r4", "r9"}[r.IntN(6)], Inherited: r.IntN(3) == 0}
		if r.IntN(3) == 0 {
			a.ActorKind, a.ActorID = "group", fmt.Sprintf("g%d", r.IntN(4))
		}
		switch r.IntN(6) {
		case 0:
			a.TargetKind, a.TargetID = "domain", "d"
		case 1:
			a.TargetKind, a.TargetID, a.Inherited = "system", "all", false
		}
		e.putAssignment(a)
	}
	return e.snapshot
}

// plainly gives what a filter takes the slow way: everything that there is,
// held against the filter.
func (n *snapshot) plainly(f *assignmentFilter) []string {
	var list []string
	for a := range n.byActor.all() {
		for _, g := range n.plainAmounts(a, f.effective) {
			b := &g.assignment
			if f.user != "" && (b.ActorKind != "user" || b.ActorID != f.user) || f.group != "" && (b.ActorKind != "group" || b.ActorID != f.group) ||
				f.role != "" && b.RoleID != f.role || f.domain != "" && (b.TargetKind != "domain" || b.TargetID != f.domain) ||
				f.projects != nil && (b.TargetKind != "project" || !slices.Contains(f.projects, b.TargetID)) ||
				f.system && b.TargetKind != "system" || f.inherited && !b.Inherited && g.inherited == (target{}) {
				continue
			}
			list = append(list, fmt.Sprint(g))
		}
	}
	slices.Sort(list)
	return list
}

func (n *snapshot) plainAmounts(a *assignment, effective bool) []granted {
	if !effective {
		return []granted{{assignment: *a}}
	}
	users := []string{a.ActorID}
	if a.ActorKind == "group" {
		users = slices.Collect(n.membersOf(a.ActorID, ""))
	}
	on := []string{a.TargetID}
	if a.Inherited {
		on = nil
		for _, p := range n.heirs(a.on()) {
			on = append(on, p.ID)
		}
	}
	var list []granted
	for _, u := range users {
		for _, t := range on {
			for _, r := range n.rolesOfIDs(map[string]bool{a.RoleID: true}) {
				list = append(list, n.amount(a, u, t, r))
			}
		}
	}
	return list
}

// Pages of any size show each entry once, and the same entries as holding
// everything against the filter does.
func TestAssignmentPages(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	n := someSnapshot(rand.New(rand.NewPCG(seed, 0)))
	for _, query := range []string{
		"", "user.id=u3", "group.id=g1", "role.id=r1", "scope.project.id=p03", "scope.domain.id=d", "scope.system=all", "role.id=r9",
		"scope.OS-INHERIT:inherited_to=projects", "scope.project.id=p00&include_subtree", "user.id=u1&scope.project.id=p04&role.id=r2",
		"user.id=u2&scope.project.id=p00&include_subtree", "user.id=nobody", "role.id=r2&scope.system=all",
	} {
		for _, effective := range []string{"", "&effective"} {
			q, err := url.ParseQuery(query + effective)
			if err != nil {
				t.Fatal(err)
			}
			f, err := n.assignmentFilter(q)
			if err != nil {
				if effective == "" || !strings.Contains(query, "group") {
					t.Errorf("%s%s: %v", query, effective, err)
				}
				continue
			}
			for _, size := range []int{1, 7, 1000} {
				if d := cmp.Diff(n.plainly(f), n.inPages(t, f, size)); d != "" {
					t.Errorf("%s%s in pages of %d (-plainly +pages):\n%s", query, effective, size, d)
				}
			}
		}
	}
}

// inPages walks through all pages by their markers.
func (n *snapshot) inPages(t *testing.T, f *assignmentFilter, size int) []string {
	t.Helper()
	var list []string
	for marker := ""; ; {
		from, err := parsePlace(marker)
		if err != nil {
			t.Fatal(err)
		}
		had := 0
		for at, g := range n.granted(f, from) {
			list, marker = append(list, fmt.Sprint(g)), at.String()
			if had++; had == size {
				break
			}
		}
		if had < size {
			slices.Sort(list)
			return list
		}
	}
}
