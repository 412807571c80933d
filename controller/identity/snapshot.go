package identity

import (
	"context"
	"database/sql"
	"fmt"
	"sort"

	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A snapshot is everything that decides about tokens, as it was at one
// revision of the tables. It is never changed.
type snapshot struct {
	revision    int64
	domains     map[string]*Domain
	domainNamed map[string]*Domain
	configs     map[string]*configRow // by domain id
	projects    map[string]*Project
	users       map[string]*User
	groups      map[string]*Group
	roles       map[string]*Role
	roleNamed   map[string]*Role // the global ones

	projectNamed map[[2]string]*Project // domain id, name; without those that are domains
	children     map[string][]*Project  // by the parent, sorted by name
	userNamed    map[[2]string]*User

	groupsOf    map[string][]string // user id to group ids
	membersOf   map[string][]string // group id to user ids
	assignments []assignment        // all
	byActor     roleSets            // that count on the target
	inherited   roleSets            // that count on the projects below it
	implied     map[string][]string // role id to those that it implies by itself
	revoked     map[string]struct{} // audit ids

	appCredentials     map[string]*appCredential
	appCredentialNamed map[[2]string]*appCredential // user id, name
	accessRules        map[string]*accessRule
	trusts             map[string]*trust

	entries      []entry                    // the catalog, sorted by type
	catalogParts map[string]map[string]bool // project id to the endpoints that it sees, if not all
}

// A target is where a role counts.
type target struct{ kind, id string }

// follow reads the tables again if another controller has changed them.
func (s *Service) follow(ctx context.Context) error {
	n, err := revisionOf(ctx, s.db)
	if err != nil || n == s.now.Load().revision {
		return err
	}
	return s.reload(ctx)
}

func revisionOf(ctx context.Context, q store.Querier) (n int64, err error) {
	if err := q.QueryRowContext(ctx, "SELECT n FROM revision WHERE one = 1").Scan(&n); err != nil {
		return 0, fmt.Errorf("revision of identity's tables: %w", err)
	}
	return n, nil
}

// reload reads the tables, unless somebody has while we waited for it.
func (s *Service) reload(ctx context.Context) (err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("read identity's tables: %w", err)
	}
	defer func() {
		if rerr := tx.Rollback(); err == nil {
			err = rerr
		}
	}()
	revision, err := revisionOf(ctx, tx)
	if err != nil {
		return err
	}
	if old := s.now.Load(); old != nil && old.revision == revision {
		return nil
	}
	snap, err := s.read(ctx, tx)
	if err != nil {
		return err
	}
	snap.revision = revision
	s.now.Store(snap)
	return nil
}

// read makes a snapshot of the tables in one transaction.
func (s *Service) read(ctx context.Context, tx store.Querier) (*snapshot, error) {
	n := &snapshot{
		projectNamed: map[[2]string]*Project{}, children: map[string][]*Project{}, userNamed: map[[2]string]*User{}, domainNamed: map[string]*Domain{},
		roleNamed: map[string]*Role{}, groupsOf: map[string][]string{}, membersOf: map[string][]string{},
		byActor: roleSets{}, inherited: roleSets{}, revoked: map[string]struct{}{},
	}
	var err error
	if n.domains, err = all(ctx, s.tables.domains.In(tx), func(d *Domain) string { return d.ID }); err != nil {
		return nil, err
	}
	if n.projects, err = all(ctx, s.tables.projects.In(tx), func(p *Project) string { return p.ID }); err != nil {
		return nil, err
	}
	if n.configs, err = all(ctx, s.tables.configs.In(tx), func(c *configRow) string { return c.DomainID }); err != nil {
		return nil, err
	}
	there := store.Eq("gone", false)
	if n.users, err = all(ctx, s.tables.users.In(tx), func(u *User) string { return u.ID }, there); err != nil {
		return nil, err
	}
	if n.groups, err = all(ctx, s.tables.groups.In(tx), func(g *Group) string { return g.ID }, there); err != nil {
		return nil, err
	}
	if n.roles, err = all(ctx, s.tables.roles.In(tx), func(r *Role) string { return r.ID }); err != nil {
		return nil, err
	}
	n.index()
	if err := s.readRelations(ctx, tx, n); err != nil {
		return nil, err
	}
	if err := s.readDelegations(ctx, tx, n); err != nil {
		return nil, err
	}
	return n, s.readCatalog(ctx, tx, n)
}

// readRelations reads who is in which group, who has which role, and what was
// revoked.
func (s *Service) readRelations(ctx context.Context, tx store.Querier, n *snapshot) error {
	members, err := s.tables.members.In(tx).List(ctx, store.Query{})
	if err != nil {
		return err
	}
	for _, m := range members {
		n.groupsOf[m.UserID] = append(n.groupsOf[m.UserID], m.GroupID)
		n.membersOf[m.GroupID] = append(n.membersOf[m.GroupID], m.UserID)
	}
	if n.assignments, err = s.tables.assignments.In(tx).List(ctx, store.Query{}); err != nil {
		return err
	}
	for i := range n.assignments {
		n.given(n.assignments[i].Inherited).add(&n.assignments[i])
	}
	implied, err := s.tables.implied.In(tx).List(ctx, store.Query{})
	if err != nil {
		return err
	}
	n.indexImplied(implied)
	revoked, err := s.tables.revocations.In(tx).List(ctx, store.Query{Where: []store.Cond{store.Gt("expires_at", s.clock())}})
	for _, r := range revoked {
		n.revoked[r.AuditID] = struct{}{}
	}
	return err
}

func (s *Service) readDelegations(ctx context.Context, tx store.Querier, n *snapshot) (err error) {
	if n.appCredentials, err = all(ctx, s.tables.appCredentials.In(tx), func(a *appCredential) string { return a.ID }); err != nil {
		return err
	}
	n.appCredentialNamed = map[[2]string]*appCredential{}
	for _, a := range n.appCredentials {
		n.appCredentialNamed[[2]string{a.UserID, a.Name}] = a
	}
	if n.accessRules, err = all(ctx, s.tables.accessRules.In(tx), func(r *accessRule) string { return r.ID }); err != nil {
		return err
	}
	n.trusts, err = all(ctx, s.tables.trusts.In(tx), func(t *trust) string { return t.ID })
	return err
}

func (s *Service) readCatalog(ctx context.Context, tx store.Querier, n *snapshot) error {
	services, err := s.tables.services.In(tx).List(ctx, store.Query{})
	if err != nil {
		return err
	}
	endpoints, err := s.tables.endpoints.In(tx).List(ctx, store.Query{})
	if err != nil {
		return err
	}
	groups, err := s.tables.endpointGroups.In(tx).List(ctx, store.Query{})
	if err != nil {
		return err
	}
	parts, err := s.tables.catalogParts.In(tx).List(ctx, store.Query{})
	if err != nil {
		return err
	}
	n.indexCatalog(services, endpoints, groups, parts)
	return nil
}

// all reads a table into a map.
func all[T any](ctx context.Context, t *store.Table[T], key func(*T) string, where ...store.Cond) (map[string]*T, error) {
	rows, err := t.List(ctx, store.Query{Where: where})
	m := make(map[string]*T, len(rows))
	for i := range rows {
		m[key(&rows[i])] = &rows[i]
	}
	return m, err
}

// index makes the maps by name.
func (n *snapshot) index() {
	for _, d := range n.domains {
		n.domainNamed[d.Name] = d
	}
	for _, p := range n.projects {
		if p.IsDomain {
			continue
		}
		n.projectNamed[[2]string{p.domain(), p.Name}] = p
		n.children[p.parent()] = append(n.children[p.parent()], p)
	}
	for _, list := range n.children {
		sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	}
	for _, u := range n.users {
		n.userNamed[[2]string{u.DomainID, u.Name}] = u
	}
	for _, r := range n.roles {
		if r.DomainID == nil {
			n.roleNamed[r.Name] = r
		}
	}
}
