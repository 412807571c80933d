package identity

import "strings"

// An edit makes the next snapshot. What goes takes with it what belongs to it,
// as the foreign keys of the tables have it.
type edit struct {
	*snapshot
	by *batch
}

// edit begins a copy.
func (n *snapshot) edit() *edit {
	next := *n
	return &edit{&next, new(batch)}
}

func (e *edit) putDomain(d *Domain) {
	old := e.domains.at(d.ID)
	e.domains.put(e.by, held[Domain]{d.ID, d})
	e.domainNamed.turn(e.by, old, d)
}

func (e *edit) putProject(p *Project) {
	if d := e.domains.at(p.domain()); d != nil {
		p.DomainID = &d.ID // one text for all
	}
	old := e.projects.at(p.ID)
	e.projects.put(e.by, held[Project]{p.ID, p})
	e.projectNamed.turn(e.by, undomained(old), undomained(p))
	e.children.turn(e.by, undomained(old), undomained(p))
}

// undomained is nil instead of a project that is a domain.
func undomained(p *Project) *Project {
	if p != nil && p.IsDomain {
		return nil
	}
	return p
}

// putUser has one who is gone from its directory in no index: its roles stay, in
// case it comes back.
func (e *edit) putUser(u *User) {
	if d := e.domains.at(u.DomainID); d != nil {
		u.DomainID = d.ID
	}
	old := e.users.at(u.ID)
	if u.Gone {
		e.users.drop(e.by, held[User]{id: u.ID})
		e.userNamed.turn(e.by, old, nil)
		e.owned.put(e.by, ref{u.DomainID, kindUser, u.ID})
		return
	}
	e.owned.drop(e.by, ref{u.DomainID, kindUser, u.ID})
	e.users.put(e.by, held[User]{u.ID, u})
	e.userNamed.turn(e.by, old, u)
}

// putGroup is as putUser.
func (e *edit) putGroup(g *Group) {
	old := e.groups.at(g.ID)
	if g.Gone {
		e.groups.drop(e.by, held[Group]{id: g.ID})
		e.groupNamed.turn(e.by, old, nil)
		e.owned.put(e.by, ref{g.DomainID, kindGroup, g.ID})
		return
	}
	e.owned.drop(e.by, ref{g.DomainID, kindGroup, g.ID})
	e.groups.put(e.by, held[Group]{g.ID, g})
	e.groupNamed.turn(e.by, old, g)
}

func (e *edit) putRole(r *Role) {
	old := e.roles.at(r.ID)
	e.roles.put(e.by, held[Role]{r.ID, r})
	e.roleNamed.turn(e.by, old, r)
}

func (e *edit) putMember(m member) {
	m = member{GroupID: e.text(m.GroupID), UserID: e.text(m.UserID)}
	e.byUser.put(e.by, m)
	e.byGroup.put(e.by, m)
}

func (e *edit) dropMember(m member) {
	e.byUser.drop(e.by, m)
	e.byGroup.drop(e.by, m)
}

func (e *edit) putAssignment(a assignment) {
	a.ActorKind, a.TargetKind = kindText(a.ActorKind), kindText(a.TargetKind)
	a.ActorID, a.TargetID, a.RoleID = e.text(a.ActorID), e.text(a.TargetID), e.text(a.RoleID)
	e.byActor.put(e.by, &a)
	e.byTarget.put(e.by, &a)
	e.byRole.put(e.by, &a)
}

func (e *edit) dropAssignment(a *assignment) {
	e.byActor.drop(e.by, a)
	e.byTarget.drop(e.by, a)
	e.byRole.drop(e.by, a)
}

// text is the same text as the row has whose id it is: most of the memory of
// assignments is ids.
func (e *edit) text(id string) string {
	switch u, p := e.users.at(id), e.projects.at(id); {
	case u != nil:
		return u.ID
	case p != nil:
		return p.ID
	}
	switch g, r := e.groups.at(id), e.roles.at(id); {
	case g != nil:
		return g.ID
	case r != nil:
		return r.ID
	default:
		return strings.Clone(id)
	}
}

// kindText is the same text for each kind of actor and target.
func kindText(kind string) string {
	for _, known := range []string{"user", "group", "project", "domain", "system"} {
		if kind == known {
			return known
		}
	}
	return kind
}

func (e *edit) putAppCredential(a *appCredential) {
	old := e.appCredentials.at(a.ID)
	e.appCredentials.put(e.by, held[appCredential]{a.ID, a})
	e.appCredentialNamed.turn(e.by, old, a)
	e.owned.put(e.by, ref{a.UserID, kindAppCredential, a.ID})
	e.owned.put(e.by, ref{a.ProjectID, kindAppCredential, a.ID})
}

func (e *edit) putAccessRule(r *accessRule) {
	e.accessRules.put(e.by, held[accessRule]{r.ID, r})
	e.owned.put(e.by, ref{r.UserID, kindAccessRule, r.ID})
}

func (e *edit) putAccess(a *oauthAccess) {
	e.accesses.put(e.by, held[oauthAccess]{a.ID, a})
	for _, owner := range []string{a.ConsumerID, a.UserID, a.ProjectID} {
		e.owned.put(e.by, ref{owner, kindAccess, a.ID})
	}
}

func (e *edit) putTrust(t *trust) {
	e.trusts.put(e.by, held[trust]{t.ID, t})
	for _, owner := range t.owners() {
		e.owned.put(e.by, ref{owner, kindTrust, t.ID})
	}
}

// owners are whom a trust goes with.
func (t *trust) owners() []string {
	list := []string{t.TrustorID, t.TrusteeID, t.ProjectID}
	if t.RedelegatedTrustID != nil {
		list = append(list, *t.RedelegatedTrustID)
	}
	return list
}
