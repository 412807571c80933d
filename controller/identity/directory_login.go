package identity

import (
	"context"

	"github.com/cairn-cloud/cairn/controller/identity/directory"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// domainAsked is the domain of the user that somebody says to be; empty if it
// is not known.
func (n *snapshot) domainAsked(asked *named) string {
	if asked.ID != "" {
		if u := n.users.at(asked.ID); u != nil {
			return u.DomainID
		}
		return ""
	}
	if d := n.findDomain(asked.Domain); d != nil {
		return d.ID
	}
	return ""
}

// byDirectory proves who logs in by binding as that user, if the user comes
// from a directory. It is nil without an error if the user is ours.
func (s *Service) byDirectory(ctx context.Context, l *login, asked *named, password string) (*User, error) {
	snap := s.now.Load()
	domain := snap.domainAsked(asked)
	dir, err := s.directoryOf(snap, domain)
	if dir == nil && err == nil {
		return nil, nil
	}
	if !snap.enabledDomain(domain) || password == "" {
		return nil, cloud.Unauthorized("")
	}
	var n *sight
	var before int
	if err == nil {
		before, err = s.counted(ctx, snap.findUser(asked), asked, func() (err error) {
			n, err = bindAs(ctx, dir, domain, asked.Name, snap.users.at(asked.ID), password)
			return err
		})
	}
	switch {
	case cloud.KindOf(err) == cloud.KindUnavailable || directory.IsAway(err):
		s.log.Warn("identity: nobody of a directory can log in", "domain", domain, "error", err)
		return nil, cloud.Unavailable("The directory of domain %s cannot be asked now.", domain).Because(err)
	case err != nil:
		return nil, err
	}
	id := n.users[0].ID
	if err := s.see(ctx, n); err != nil {
		return nil, err
	}
	u := s.now.Load().users.at(id)
	if u == nil || !u.Enabled {
		return nil, cloud.Unauthorized("")
	}
	l.failed = l.failed || before > 0
	return u, nil
}

// bindAs looks for the user with the name, or the one that is known, and logs
// in to the directory with the password. It gives the user with its groups, or
// Unauthorized.
func bindAs(ctx context.Context, dir *directory.Directory, domain, name string, known *User, password string) (*sight, error) {
	c, err := dir.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var found []directory.User
	if known != nil {
		if known.LocalID == nil {
			return nil, cloud.Unauthorized("")
		}
		found, err = c.UsersWithID(*known.LocalID)
	} else {
		found, err = c.UsersNamed(name)
	}
	if err != nil {
		return nil, err
	}
	n := newSight(domain)
	u := c.Nobody()
	if len(found) == 1 { // two are none: it is not known who is meant
		u = &found[0]
		if err := n.addGroupsOf(c, u); err != nil {
			return nil, err
		}
	}
	right, err := c.Prove(u, password)
	if err == nil && (!right || len(n.users) == 0) {
		err = cloud.Unauthorized("")
	}
	return n, err
}
