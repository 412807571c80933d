package identity

import (
	"context"
	"errors"
	"time"

	"github.com/cairn-cloud/cairn/controller/identity/directory"
	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// look asks the directory of a domain and keeps what f saw; nothing, if the
// domain's users are ours.
func (s *Service) look(ctx context.Context, domain string, f func(c *directory.Conn, n *sight) error) error {
	dir, err := s.directoryOf(s.now.Load(), domain)
	if dir == nil || err != nil {
		return err
	}
	n := newSight(domain)
	c, err := dir.Open(ctx)
	if err == nil {
		err = f(c, n)
		c.Close()
	}
	if err != nil {
		return away(domain, err)
	}
	return s.see(ctx, n)
}

// away is what an administrator is told of a directory that cannot be asked.
func away(domain string, err error) error {
	if !directory.IsAway(err) {
		return err
	}
	return cloud.Unavailable("The directory of domain %s cannot be asked: %v", domain, err)
}

// seenUsers are the conditions of the users that there are. A list of a domain
// and one user that is shown are looked up first.
func (s *Service) seenUsers(ctx context.Context, c *api.Call) ([]store.Cond, error) {
	there := []store.Cond{store.Eq("gone", false)}
	switch id := c.Param("id"); c.Op {
	case api.OpList:
		for _, domain := range c.Query()["domain_id"] {
			if err := s.lookForUsers(ctx, domain, c.Query().Get("name")); err != nil {
				return nil, err
			}
		}
	case api.OpShow:
		if c.Caller.IsAdmin || c.Caller.UserID == id {
			return there, s.lookAtUser(ctx, id)
		}
	}
	return there, nil
}

// seenGroups is seenUsers for groups.
func (s *Service) seenGroups(ctx context.Context, c *api.Call) ([]store.Cond, error) {
	there := []store.Cond{store.Eq("gone", false)}
	switch c.Op {
	case api.OpList:
		for _, domain := range c.Query()["domain_id"] {
			if err := s.lookForGroups(ctx, domain, c.Query().Get("name")); err != nil {
				return nil, err
			}
		}
	case api.OpShow:
		return there, s.lookAtGroup(ctx, c.Param("id"))
	}
	return there, nil
}

// lookForUsers looks for the users of a domain with a name, or all.
func (s *Service) lookForUsers(ctx context.Context, domain, name string) error {
	return s.look(ctx, domain, func(c *directory.Conn, n *sight) error {
		found, err := c.Users()
		if name != "" {
			found, err = c.UsersNamed(name)
		}
		n.addUsers(unique(found, func(u directory.User) string { return u.Name }))
		for u := range s.now.Load().users.rows() {
			id := u.ID
			if u.DomainID == domain && (name == "" || u.Name == name) && !n.has[id] {
				n.gone = append(n.gone, id)
			}
		}
		return err
	})
}

// lookAtUser looks for one user that is known, and the groups of it.
func (s *Service) lookAtUser(ctx context.Context, id string) error {
	u := s.now.Load().users.at(id)
	if u == nil || u.LocalID == nil {
		return nil
	}
	return s.look(ctx, u.DomainID, func(c *directory.Conn, n *sight) error {
		found, err := c.UsersWithID(*u.LocalID)
		if err == nil && len(found) != 1 {
			n.gone = append(n.gone, id)
			return nil
		}
		if err != nil {
			return err
		}
		return n.addGroupsOf(c, &found[0])
	})
}

// addGroupsOf adds a user with all groups.
func (n *sight) addGroupsOf(c *directory.Conn, u *directory.User) error {
	groups, err := c.GroupsOf(u)
	if err != nil {
		return err
	}
	id := n.addUsers([]directory.User{*u})[0]
	n.groupsOf[id] = n.addGroups(unique(groups, func(g directory.Group) string { return g.Name }))
	return nil
}

// lookForGroups looks for the groups of a domain with a name, or all.
func (s *Service) lookForGroups(ctx context.Context, domain, name string) error {
	return s.look(ctx, domain, func(c *directory.Conn, n *sight) error {
		found, err := c.Groups()
		if name != "" {
			found, err = c.GroupsNamed(name)
		}
		n.addGroups(unique(found, func(g directory.Group) string { return g.Name }))
		for g := range s.now.Load().groups.rows() {
			id := g.ID
			if g.DomainID == domain && (name == "" || g.Name == name) && !n.has[id] {
				n.gone = append(n.gone, id)
			}
		}
		return err
	})
}

// lookAtGroup looks for one group that is known, and who is in it.
func (s *Service) lookAtGroup(ctx context.Context, id string) error {
	g := s.now.Load().groups.at(id)
	if g == nil || g.LocalID == nil {
		return nil
	}
	return s.look(ctx, g.DomainID, func(c *directory.Conn, n *sight) error {
		found, err := c.GroupsWithID(*g.LocalID)
		if err == nil && len(found) != 1 {
			n.gone = append(n.gone, id)
			return nil
		}
		if err != nil {
			return err
		}
		users, err := c.MembersOf(&found[0])
		n.addGroups(found)
		n.membersOf[id] = n.addUsers(unique(users, func(u directory.User) string { return u.Name }))
		return err
	})
}

// unique leaves the first of those with the same name: one name means one.
func unique[T any](list []T, name func(T) string) []T {
	var left []T
	names := map[string]bool{}
	for _, e := range list {
		if !names[name(e)] {
			left = append(left, e)
		}
		names[name(e)] = true
	}
	return left
}

// lookInterval is how often those who are known here are looked up again: a
// user who is disabled or gone there, or not in a group any more, loses what
// goes with it after this time at the latest.
const lookInterval = 5 * time.Minute

// lookAround looks up who is known of every directory, now and then, until
// ctx ends.
func (s *Service) lookAround(ctx context.Context) {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for config := range s.now.Load().configs.rows() {
			domain := config.DomainID
			if err := s.lookAgain(ctx, domain); err != nil && !errors.Is(err, context.Canceled) {
				s.log.Warn("identity: who is known of a directory cannot be looked up again", "domain", domain, "error", err)
			}
		}
	}
}

// lookAgain looks up the users of a directory who are known here, and their
// groups.
func (s *Service) lookAgain(ctx context.Context, domain string) error {
	return s.look(ctx, domain, func(c *directory.Conn, n *sight) error {
		found, err := c.Users()
		if err != nil {
			return err
		}
		there := map[string]*directory.User{}
		for _, u := range unique(found, func(u directory.User) string { return u.Name }) {
			there[u.ID] = &u
		}
		for u := range s.now.Load().users.rows() {
			id := u.ID
			if u.DomainID != domain || u.LocalID == nil {
				continue
			}
			f := there[*u.LocalID]
			if f == nil {
				n.gone = append(n.gone, id)
				continue
			}
			if err := n.addGroupsOf(c, f); err != nil {
				return err
			}
		}
		return nil
	})
}
