package identity

import (
	"slices"
	"strings"
	"time"
)

// dropOwned takes away what goes with its owner.
func (e *edit) dropOwned(owner string) {
	for _, r := range slices.Collect(e.owned.within(func(r ref) int { return strings.Compare(r.owner, owner) })) {
		e.owned.drop(e.by, r)
		e.drop(r.kind, r.id)
	}
}

func (e *edit) dropDomain(id string) {
	d := e.domains.at(id)
	if d == nil {
		return
	}
	for _, p := range slices.Collect(e.projectNamed.of(id)) {
		e.dropProject(p.ID)
	}
	for _, u := range slices.Collect(e.userNamed.of(id)) {
		e.dropUser(u.ID)
	}
	for _, g := range slices.Collect(e.groupNamed.of(id)) {
		e.dropGroup(g.ID)
	}
	for _, r := range slices.Collect(e.roleNamed.of(id)) {
		e.dropRole(r.ID)
	}
	e.dropProject(id)
	e.dropOwned(id)
	e.configs.drop(e.by, held[configRow]{id: id})
	e.domains.drop(e.by, held[Domain]{id: id})
	e.domainNamed.turn(e.by, d, nil)
}

// dropProject takes away what is on a project, also of one that came and went
// between two looks and so was never here: its roles were.
func (e *edit) dropProject(id string) {
	p := e.projects.at(id)
	on := func(a *assignment) int { return strings.Compare(a.TargetID, id) }
	for _, kind := range []string{"project", "domain"} {
		e.dropAssignments(slices.Collect(e.byTarget.within(func(a *assignment) int {
			if c := strings.Compare(a.TargetKind, kind); c != 0 {
				return c
			}
			return on(a)
		})))
	}
	for _, part := range slices.Collect(e.partsGiven(id)) {
		e.catalogParts.drop(e.by, part)
	}
	e.dropOwned(id)
	e.projects.drop(e.by, held[Project]{id: id})
	e.projectNamed.turn(e.by, undomained(p), nil)
	e.children.turn(e.by, undomained(p), nil)
}

func (e *edit) dropUser(id string) {
	u := e.users.at(id)
	for _, g := range e.groupsOf(id) {
		e.dropMember(member{GroupID: g, UserID: id})
	}
	e.dropActor(id)
	e.dropOwned(id)
	e.users.drop(e.by, held[User]{id: id})
	e.userNamed.turn(e.by, u, nil)
}

func (e *edit) dropGroup(id string) {
	g := e.groups.at(id)
	for _, u := range slices.Collect(e.membersOf(id, "")) {
		e.dropMember(member{GroupID: id, UserID: u})
	}
	e.dropActor(id)
	e.groups.drop(e.by, held[Group]{id: id})
	e.groupNamed.turn(e.by, g, nil)
}

func (e *edit) dropActor(id string) {
	e.dropAssignments(slices.Collect(e.byActor.within(func(a *assignment) int { return strings.Compare(a.ActorID, id) })))
}

func (e *edit) dropAssignments(list []*assignment) {
	for _, a := range list {
		e.dropAssignment(a)
	}
}

func (e *edit) dropRole(id string) {
	r := e.roles.at(id)
	e.dropAssignments(slices.Collect(e.byRole.within(func(a *assignment) int { return strings.Compare(a.RoleID, id) })))
	for _, i := range slices.Collect(e.implied.all()) { // roles are few
		if i.PriorID == id || i.ImpliedID == id {
			e.implied.drop(e.by, i)
		}
	}
	e.roles.drop(e.by, held[Role]{id: id})
	e.roleNamed.turn(e.by, r, nil)
}

func (e *edit) dropAppCredential(id string) {
	if a := e.appCredentials.at(id); a != nil {
		e.appCredentials.drop(e.by, held[appCredential]{id: id})
		e.appCredentialNamed.turn(e.by, a, nil)
		e.owned.drop(e.by, ref{a.UserID, kindAppCredential, id})
		e.owned.drop(e.by, ref{a.ProjectID, kindAppCredential, id})
	}
}

func (e *edit) dropAccessRule(id string) {
	if r := e.accessRules.at(id); r != nil {
		e.accessRules.drop(e.by, held[accessRule]{id: id})
		e.owned.drop(e.by, ref{r.UserID, kindAccessRule, id})
	}
}

func (e *edit) dropAccess(id string) {
	a := e.accesses.at(id)
	if a == nil {
		return
	}
	e.accesses.drop(e.by, held[oauthAccess]{id: id})
	for _, owner := range []string{a.ConsumerID, a.UserID, a.ProjectID} {
		e.owned.drop(e.by, ref{owner, kindAccess, id})
	}
}

func (e *edit) dropTrust(id string) {
	t := e.trusts.at(id)
	if t == nil {
		return
	}
	e.trusts.drop(e.by, held[trust]{id: id})
	for _, owner := range t.owners() {
		e.owned.drop(e.by, ref{owner, kindTrust, id})
	}
	e.dropOwned(id)
}

// dropExpired forgets revocations of tokens that nobody looks at any more.
func (e *edit) dropExpired(now time.Time) {
	for _, r := range slices.Collect(e.revoked.all()) {
		if !r.ExpiresAt.Add(expiredWindow).After(now) {
			e.revoked.drop(e.by, r)
		}
	}
}
