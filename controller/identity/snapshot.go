package identity

import (
	"iter"
	"strings"
)

// A snapshot is everything that decides about tokens, as it was at one
// revision of the tables. It is never changed: an [edit] makes the next one,
// which shares with it what is still the same.
type snapshot struct {
	revision int64

	domains     index[Domain]
	domainNamed names[Domain]    // in nothing
	configs     index[configRow] // by domain
	projects    index[Project]
	users       index[User]
	groups      index[Group]
	roles       index[Role]
	roleNamed   names[Role] // in their domain; global ones in nothing

	projectNamed names[Project] // in their domain; without those that are domains
	children     names[Project] // in the project above
	userNamed    names[User]    // in their domain
	groupNamed   names[Group]   // in their domain

	byUser   tree[member] // by user, then group
	byGroup  tree[member] // by group, then user
	byActor  tree[*assignment]
	byTarget tree[*assignment]
	byRole   tree[*assignment]
	implied  tree[implication]
	revoked  tree[revocation]

	appCredentials     index[appCredential]
	appCredentialNamed names[appCredential] // in their user
	accessRules        index[accessRule]
	trusts             index[trust]
	accesses           index[oauthAccess] // OAuth's access tokens
	owned              tree[ref]

	providers index[identityProvider]
	mappings  index[federationMapping]
	protocols index[protocol] // by protocolKey

	catalogParts tree[catalogPart] // of projects that do not see all
	offered      offer
}

// A ref is something that goes when its owner goes.
type ref struct{ owner, kind, id string }

func emptySnapshot() *snapshot {
	return &snapshot{
		providers: indexOf[identityProvider](), mappings: indexOf[federationMapping](), protocols: indexOf[protocol](),
		domains: indexOf[Domain](), configs: indexOf[configRow](), projects: indexOf[Project](), users: indexOf[User](), groups: indexOf[Group](), roles: indexOf[Role](),
		domainNamed:  namesOf(func(d *Domain) (in, name string) { return "", d.Name }),
		roleNamed:    namesOf(func(r *Role) (in, name string) { return orNone(r.DomainID), r.Name }),
		projectNamed: namesOf(func(p *Project) (in, name string) { return p.domain(), p.Name }),
		children:     namesOf(func(p *Project) (in, name string) { return p.parent(), p.Name }),
		userNamed:    namesOf(func(u *User) (in, name string) { return u.DomainID, u.Name }),
		groupNamed:   namesOf(func(g *Group) (in, name string) { return g.DomainID, g.Name }),

		byUser:  treeOf(func(a, b member) int { return comparePair(a.UserID, b.UserID, a.GroupID, b.GroupID) }),
		byGroup: treeOf(func(a, b member) int { return comparePair(a.GroupID, b.GroupID, a.UserID, b.UserID) }),
		byActor: treeOf(compareByActor), byTarget: treeOf(compareByTarget), byRole: treeOf(compareByRole),
		implied: treeOf(func(a, b implication) int { return comparePair(a.PriorID, b.PriorID, a.ImpliedID, b.ImpliedID) }),
		revoked: treeOf(func(a, b revocation) int { return strings.Compare(a.AuditID, b.AuditID) }),

		appCredentials: indexOf[appCredential](), accessRules: indexOf[accessRule](), trusts: indexOf[trust](), accesses: indexOf[oauthAccess](),
		appCredentialNamed: namesOf(func(a *appCredential) (in, name string) { return a.UserID, a.Name }),
		owned: treeOf(func(a, b ref) int {
			if c := comparePair(a.owner, b.owner, a.kind, b.kind); c != 0 {
				return c
			}
			return strings.Compare(a.id, b.id)
		}),
		catalogParts: treeOf(func(a, b catalogPart) int {
			if c := comparePair(a.ProjectID, b.ProjectID, a.Kind, b.Kind); c != 0 {
				return c
			}
			return strings.Compare(a.PartID, b.PartID)
		}),
	}
}

// A target is where a role counts.
type target struct{ kind, id string }

// groupsOf are the ids of the groups that a user is in, sorted.
func (n *snapshot) groupsOf(user string) []string {
	var list []string
	for m := range n.byUser.within(func(m member) int { return strings.Compare(m.UserID, user) }) {
		list = append(list, m.GroupID)
	}
	return list
}

// membersOf are the ids of the users in a group from one on, sorted.
func (n *snapshot) membersOf(group, from string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for m := range n.byGroup.from(func(m member) int { return comparePair(m.GroupID, group, m.UserID, from) }) {
			if m.GroupID != group || !yield(m.UserID) {
				return
			}
		}
	}
}

// isMember tells whether a user is in a group.
func (n *snapshot) isMember(group, user string) bool {
	_, ok := n.byUser.first(func(m member) int { return comparePair(m.UserID, user, m.GroupID, group) })
	return ok
}

// isRevoked tells whether a token was given back.
func (n *snapshot) isRevoked(audit string) bool {
	_, ok := n.revoked.first(func(r revocation) int { return strings.Compare(r.AuditID, audit) })
	return ok
}

// impliedBy are the ids of the roles that a role implies by itself, sorted.
func (n *snapshot) impliedBy(prior string) []string {
	var list []string
	for i := range n.implied.within(func(i implication) int { return strings.Compare(i.PriorID, prior) }) {
		list = append(list, i.ImpliedID)
	}
	return list
}
