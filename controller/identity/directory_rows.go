package identity

import (
	"context"
	"slices"
	"time"

	"github.com/cairn-cloud/cairn/controller/identity/directory"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A sight is what was seen of a directory in one look.
type sight struct {
	domain    string
	users     []*User
	groups    []*Group
	has       map[string]bool     // ids of users and groups
	gone      []string            // ids of those that are not there
	groupsOf  map[string][]string // all groups of these users, by id
	membersOf map[string][]string // all members of these groups, by id

	changes []change // that were written
}

func newSight(domain string) *sight {
	return &sight{domain: domain, has: map[string]bool{}, groupsOf: map[string][]string{}, membersOf: map[string][]string{}}
}

// addUsers adds users and gives their ids.
func (n *sight) addUsers(found []directory.User) (ids []string) {
	for i := range found {
		f := &found[i]
		id := directoryID(n.domain, "user", f.ID)
		ids = append(ids, id)
		if n.has[id] {
			continue
		}
		n.has[id] = true
		u := &User{ID: id, DomainID: n.domain, Name: f.Name, Description: f.Description, Enabled: f.Enabled, LocalID: &f.ID}
		if f.Mail != "" {
			u.Email = &f.Mail
		}
		n.users = append(n.users, u)
	}
	return ids
}

// addGroups is addUsers for groups.
func (n *sight) addGroups(found []directory.Group) (ids []string) {
	for i := range found {
		f := &found[i]
		id := directoryID(n.domain, "group", f.ID)
		ids = append(ids, id)
		if !n.has[id] {
			n.has[id] = true
			n.groups = append(n.groups, &Group{ID: id, DomainID: n.domain, Name: f.Name, Description: f.Description, LocalID: &f.ID})
		}
	}
	return ids
}

// see keeps what was seen, if it is not what is known already.
func (s *Service) see(ctx context.Context, n *sight) error {
	n.forget(s.now.Load())
	if len(n.users)+len(n.groups)+len(n.gone)+len(n.groupsOf)+len(n.membersOf) == 0 {
		return nil
	}
	err := s.write(ctx, n)
	if cloud.IsConflict(err) { // another controller has seen the same
		err = s.write(ctx, n)
	}
	return err
}

// mostChanges is how many changes are told one by one; of more than that it
// is quicker to read everything.
const mostChanges = 500

// write keeps what was seen, in one transaction.
func (s *Service) write(ctx context.Context, n *sight) error {
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		n.changes = nil
		err := s.keep(ctx, tx, n)
		switch {
		case err != nil || len(n.changes) == 0:
			return err
		case len(n.changes) > mostChanges:
			n.changes = nil
		}
		return s.touch(ctx, tx, n.changes...)
	})
}

// forget takes out what the snapshot knows already.
func (n *sight) forget(snap *snapshot) {
	n.users = slices.DeleteFunc(n.users, func(u *User) bool { return sameUser(snap.users.at(u.ID), u) })
	n.groups = slices.DeleteFunc(n.groups, func(g *Group) bool { return sameGroup(snap.groups.at(g.ID), g) })
	n.gone = slices.DeleteFunc(n.gone, func(id string) bool { return snap.users.at(id) == nil && snap.groups.at(id) == nil })
	for id, groups := range n.groupsOf {
		if sameSet(groups, snap.groupsOf(id)) {
			delete(n.groupsOf, id)
		}
	}
	for id, users := range n.membersOf {
		if sameSet(users, slices.Collect(snap.membersOf(id, ""))) {
			delete(n.membersOf, id)
		}
	}
}

func sameUser(a, b *User) bool {
	return a != nil && a.Name == b.Name && orNone(a.Email) == orNone(b.Email) && a.Description == b.Description && a.Enabled == b.Enabled
}

func sameGroup(a, b *Group) bool {
	return a != nil && a.Name == b.Name && a.Description == b.Description
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// keep writes what was seen.
func (s *Service) keep(ctx context.Context, tx *store.Tx, n *sight) error {
	if len(n.gone) > 0 {
		if err := s.vanish(ctx, tx, n, store.In("id", n.gone...), store.Ne("local_id", nil)); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(n.users, fetchAtOnce) {
		if err := s.keepUsers(ctx, tx, n, chunk); err != nil {
			return err
		}
	}
	for _, g := range n.groups {
		if err := s.keepGroup(ctx, tx, n, g); err != nil {
			return err
		}
	}
	for user, groups := range n.groupsOf {
		if err := s.keepMembers(ctx, tx, n, "user_id", user, groups); err != nil {
			return err
		}
	}
	for group, users := range n.membersOf {
		if err := s.keepMembers(ctx, tx, n, "group_id", group, users); err != nil {
			return err
		}
	}
	return nil
}

// vanish makes users and groups gone: they are in no group, their tokens end,
// and their names are free.
func (s *Service) vanish(ctx context.Context, tx *store.Tx, n *sight, where ...store.Cond) error {
	where = append(slices.Clone(where), store.Eq("gone", false))
	users, err := s.tables.users.In(tx).List(ctx, store.Query{Where: where})
	if err != nil {
		return err
	}
	for i := range users {
		n.changes = append(n.changes, wrote(kindUser, users[i].ID))
		if err := s.keepMembers(ctx, tx, n, "user_id", users[i].ID, nil); err != nil {
			return err
		}
	}
	groups, err := s.tables.groups.In(tx).List(ctx, store.Query{Where: where})
	if err != nil {
		return err
	}
	for i := range groups {
		n.changes = append(n.changes, wrote(kindGroup, groups[i].ID))
		if err := s.keepMembers(ctx, tx, n, "group_id", groups[i].ID, nil); err != nil {
			return err
		}
	}
	if _, err := s.tables.users.In(tx).Change(ctx, store.Set{"gone": true, "name": store.Expr("id"), "valid_from": s.clock()}, where...); err != nil {
		return err
	}
	_, err = s.tables.groups.In(tx).Change(ctx, store.Set{"gone": true, "name": store.Expr("id")}, where...)
	return err
}

// another are the conditions of whoever else has the name: an entry that was
// renamed or replaced, and is gone until it is seen again.
func another(domain, name, id string) []store.Cond {
	return []store.Cond{store.Eq("domain_id", domain), store.Eq("name", name), store.Ne("id", id), store.Ne("local_id", nil)}
}

// keepUsers writes users, of which there may be many: what is there is read at
// once.
func (s *Service) keepUsers(ctx context.Context, tx *store.Tx, n *sight, seen []*User) error {
	var ids, names []string
	for _, u := range seen {
		ids, names = append(ids, u.ID), append(names, u.Name)
	}
	rows, err := s.tables.users.In(tx).List(ctx, store.Query{Where: []store.Cond{
		store.Eq("domain_id", n.domain), store.Ne("local_id", nil), store.Or(store.In("id", ids...), store.In("name", names...)),
	}})
	if err != nil {
		return err
	}
	known, named := map[string]*User{}, map[string]*User{}
	for i := range rows {
		known[rows[i].ID], named[rows[i].Name] = &rows[i], &rows[i]
	}
	for _, u := range seen {
		if other := named[u.Name]; other != nil && other.ID != u.ID && other.Name == u.Name {
			if err := s.vanish(ctx, tx, n, store.Eq("id", other.ID)); err != nil {
				return err
			}
			other.Name = other.ID
		}
		old := known[u.ID]
		if err := s.keepUser(ctx, tx, old, u); err != nil {
			return err
		}
		if old != nil {
			old.Name = u.Name // two may have changed their names for each other's
		}
		n.changes = append(n.changes, wrote(kindUser, u.ID))
	}
	return nil
}

// keepUser writes one user in place of an old row; nil if there is none.
func (s *Service) keepUser(ctx context.Context, tx *store.Tx, old, seen *User) error {
	if old == nil {
		seen.ValidFrom = s.clock().Add(-time.Second)
		return s.tables.users.In(tx).Insert(ctx, seen)
	}
	seen.ValidFrom = old.ValidFrom
	if old.Enabled && !seen.Enabled {
		seen.ValidFrom = s.clock()
	}
	return s.tables.users.In(tx).Update(ctx, seen, "name", "email", "description", "enabled", "valid_from", "gone")
}

func (s *Service) keepGroup(ctx context.Context, tx *store.Tx, n *sight, seen *Group) error {
	n.changes = append(n.changes, wrote(kindGroup, seen.ID))
	if err := s.vanish(ctx, tx, n, another(seen.DomainID, seen.Name, seen.ID)...); err != nil {
		return err
	}
	_, err := s.tables.groups.In(tx).Get(ctx, seen.ID)
	if cloud.IsNotFound(err) {
		return s.tables.groups.In(tx).Insert(ctx, seen)
	}
	if err != nil {
		return err
	}
	return s.tables.groups.In(tx).Update(ctx, seen, "name", "description", "gone")
}

// keepMembers makes the rows of one user (column user_id) or group (group_id)
// what was seen.
func (s *Service) keepMembers(ctx context.Context, tx *store.Tx, n *sight, column, id string, want []string) error {
	rows, err := s.tables.members.In(tx).List(ctx, store.Query{Where: []store.Cond{store.Eq(column, id)}})
	if err != nil {
		return err
	}
	have := map[member]bool{}
	for _, m := range rows {
		have[m] = true
	}
	for _, w := range want {
		m := member{GroupID: w, UserID: id}
		if column == "group_id" {
			m = member{GroupID: id, UserID: w}
		}
		if _, known := have[m]; !known {
			if err := s.tables.members.In(tx).Insert(ctx, &m); err != nil {
				return err
			}
			n.changes = append(n.changes, m.change(false))
		}
		have[m] = false
	}
	for m, left := range have {
		if !left {
			continue
		}
		if _, err := s.tables.members.In(tx).Delete(ctx, store.Eq("group_id", m.GroupID), store.Eq("user_id", m.UserID)); err != nil {
			return err
		}
		n.changes = append(n.changes, m.change(true))
	}
	return nil
}
