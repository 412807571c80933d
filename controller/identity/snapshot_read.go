package identity

import (
	"context"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A part is one table of the snapshot whose rows have ids.
type part interface {
	readAll(ctx context.Context, q store.Querier) error
	fetch(ctx context.Context, q store.Querier, ids []string) error
	take(id string) // puts what was fetched; what was not found is gone
}

// rowsOf is a part, in terms of an edit.
type rowsOf[T any] struct {
	table   *store.Table[T]
	id      func(*T) string
	put     func(*T)
	drop    func(id string)
	fetched map[string]*T
}

func (r *rowsOf[T]) readAll(ctx context.Context, q store.Querier) error {
	return r.table.In(q).Each(ctx, store.Query{}, func(row *T) error {
		r.put(row)
		return nil
	})
}

// fetchAtOnce is how many rows one query fetches.
const fetchAtOnce = 500

func (r *rowsOf[T]) fetch(ctx context.Context, q store.Querier, ids []string) error {
	if r.fetched == nil {
		r.fetched = map[string]*T{}
	}
	slices.Sort(ids)
	for chunk := range slices.Chunk(slices.Compact(ids), fetchAtOnce) {
		err := r.table.In(q).Each(ctx, store.Query{Where: []store.Cond{store.In(r.table.Key(), chunk...)}}, func(row *T) error {
			r.fetched[r.id(row)] = row
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *rowsOf[T]) take(id string) {
	if row := r.fetched[id]; row != nil {
		r.put(row)
	} else {
		r.drop(id)
	}
}

// parts are the tables of an edit whose rows have ids, by the kind of their
// changes.
func (s *Service) parts(e *edit) map[string]part {
	return map[string]part{
		kindDomain: &rowsOf[Domain]{table: s.tables.domains, id: func(d *Domain) string { return d.ID }, put: e.putDomain, drop: e.dropDomain},
		kindConfig: &rowsOf[configRow]{
			table: s.tables.configs, id: func(c *configRow) string { return c.DomainID },
			put:  func(c *configRow) { e.configs.put(e.by, held[configRow]{c.DomainID, c}) },
			drop: func(domain string) { e.configs.drop(e.by, held[configRow]{id: domain}) },
		},
		kindProject: &rowsOf[Project]{table: s.tables.projects, id: func(p *Project) string { return p.ID }, put: e.putProject, drop: e.dropProject},
		kindUser:    &rowsOf[User]{table: s.tables.users, id: func(u *User) string { return u.ID }, put: e.putUser, drop: e.dropUser},
		kindGroup:   &rowsOf[Group]{table: s.tables.groups, id: func(g *Group) string { return g.ID }, put: e.putGroup, drop: e.dropGroup},
		kindRole:    &rowsOf[Role]{table: s.tables.roles, id: func(r *Role) string { return r.ID }, put: e.putRole, drop: e.dropRole},
		kindRevocation: &rowsOf[revocation]{
			table: s.tables.revocations, id: func(r *revocation) string { return r.AuditID },
			put: func(r *revocation) { e.revoked.put(e.by, *r) }, drop: func(id string) { e.revoked.drop(e.by, revocation{AuditID: id}) },
		},
		kindAppCredential: &rowsOf[appCredential]{
			table: s.tables.appCredentials, id: func(a *appCredential) string { return a.ID }, put: e.putAppCredential, drop: e.dropAppCredential,
		},
		kindAccessRule: &rowsOf[accessRule]{
			table: s.tables.accessRules, id: func(r *accessRule) string { return r.ID }, put: e.putAccessRule, drop: e.dropAccessRule,
		},
		kindAccess: &rowsOf[oauthAccess]{
			table: s.tables.oauthAccesses, id: func(a *oauthAccess) string { return a.ID }, put: e.putAccess, drop: e.dropAccess,
		},
		kindProvider: &rowsOf[identityProvider]{
			table: s.tables.providers, id: func(p *identityProvider) string { return p.ID },
			put:  func(p *identityProvider) { e.providers.put(e.by, held[identityProvider]{p.ID, p}) },
			drop: func(id string) { e.providers.drop(e.by, held[identityProvider]{id: id}) },
		},
		kindMapping: &rowsOf[federationMapping]{
			table: s.tables.mappings, id: func(m *federationMapping) string { return m.ID },
			put:  func(m *federationMapping) { e.mappings.put(e.by, held[federationMapping]{m.ID, m}) },
			drop: func(id string) { e.mappings.drop(e.by, held[federationMapping]{id: id}) },
		},
		kindProtocol: &rowsOf[protocol]{
			table: s.tables.protocols, id: func(p *protocol) string { return p.Key },
			put:  func(p *protocol) { e.protocols.put(e.by, held[protocol]{p.Key, p}) },
			drop: func(key string) { e.protocols.drop(e.by, held[protocol]{id: key}) },
		},
		kindTrust: &rowsOf[trust]{table: s.tables.trusts, id: func(t *trust) string { return t.ID }, put: e.putTrust, drop: e.dropTrust},
	}
}

// read makes a snapshot of the tables in one transaction.
func (s *Service) read(ctx context.Context, tx store.Querier) (*snapshot, error) {
	e := emptySnapshot().edit()
	parts := s.parts(e)
	for _, kind := range []string{kindDomain, kindProject, kindUser, kindGroup, kindRole} { // before what has their ids
		if err := parts[kind].readAll(ctx, tx); err != nil {
			return nil, err
		}
		delete(parts, kind)
	}
	for _, p := range parts {
		if err := p.readAll(ctx, tx); err != nil {
			return nil, err
		}
	}
	e.dropExpired(s.clock())
	if err := s.readRelations(ctx, tx, e); err != nil {
		return nil, err
	}
	return e.snapshot, s.readOffer(ctx, tx, e)
}

// readRelations reads who is in which group, who has which role, which role
// implies which, and which project sees what.
func (s *Service) readRelations(ctx context.Context, tx store.Querier, e *edit) error {
	err := s.tables.members.In(tx).Each(ctx, store.Query{}, func(m *member) error {
		e.putMember(*m)
		return nil
	})
	if err != nil {
		return err
	}
	err = s.tables.assignments.In(tx).Each(ctx, store.Query{}, func(a *assignment) error {
		e.putAssignment(*a)
		return nil
	})
	if err != nil {
		return err
	}
	err = s.tables.implied.In(tx).Each(ctx, store.Query{}, func(i *implication) error {
		e.implied.put(e.by, *i)
		return nil
	})
	if err != nil {
		return err
	}
	return s.tables.catalogParts.In(tx).Each(ctx, store.Query{}, func(p *catalogPart) error {
		e.catalogParts.put(e.by, *p)
		return nil
	})
}

// readOffer reads services, endpoints and groups of endpoints: few.
func (s *Service) readOffer(ctx context.Context, tx store.Querier, e *edit) error {
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
	e.offered = offerOf(services, endpoints, groups)
	return nil
}
