package identity

import (
	"context"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A Group is users that get roles together.
type Group struct {
	ID          string `json:"id"          db:"id,key"`
	Name        string `json:"name"        db:"name"        api:"create,update,required,name,max=64,filter,sort"`
	DomainID    string `json:"domain_id"   db:"domain_id"   api:"create,filter"`
	Description string `json:"description" db:"description" api:"create,update,max=65535"`
	Extra       extra  `                   db:"extra,json"  api:"inline"`

	LocalID *string `json:"-" db:"local_id"` // in a directory; nil: the group is ours
	Gone    bool    `json:"-" db:"gone"`     // from there
}

// groups describes /groups and who is in them.
func (s *Service) groups() api.Resource[Group] {
	return api.Resource[Group]{
		Name: "group", Path: "/groups", Owner: api.Domain, Links: true, Sort: []store.Sort{{Column: "name"}},
		Write: policy.Admin, Rows: s.tables.groups, Scope: s.seenGroups,
		Creating: func(ctx context.Context, tx *store.Tx, c *api.Call, in *Group) error {
			in.Extra.clean()
			if err := s.inDomain(c, &in.DomainID); err != nil {
				return err
			}
			if err := s.mayWrite(in.DomainID); err != nil {
				return err
			}
			return s.touch(ctx, tx, wrote(kindGroup, in.ID))
		},
		Updating: func(ctx context.Context, tx *store.Tx, _ *api.Call, old, changed *Group) error {
			if err := fromDirectory("group", old.ID, old.LocalID); err != nil {
				return err
			}
			changed.Extra.clean()
			return s.touch(ctx, tx, wrote(kindGroup, changed.ID))
		},
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, g *Group) error {
			if err := fromDirectory("group", g.ID, g.LocalID); err != nil {
				return err
			}
			if _, err := s.tables.groups.In(tx).Lock(ctx, g.ID); err != nil {
				return err
			}
			if err := s.dropActor(ctx, tx, "group", g.ID); err != nil {
				return err
			}
			return s.touch(ctx, tx, gone(kindGroup, g.ID))
		},
		Below: []api.Below[Group]{
			{Method: http.MethodGet, Path: "/users", Do: s.groupUsers},
			{Method: http.MethodPut, Path: "/users/{user_id}", Do: s.addToGroup},
			{Method: http.MethodHead, Path: "/users/{user_id}", Code: http.StatusNoContent, Do: s.isInGroup},
			{Method: http.MethodDelete, Path: "/users/{user_id}", Do: s.takeFromGroup},
		},
	}
}

// groupUsers lists who is in a group.
func (s *Service) groupUsers(ctx context.Context, c *api.Call, g *Group) (any, error) {
	expiry, err := parseTimeFilters("password_expires_at", c.Query()["password_expires_at"])
	if err != nil {
		return nil, err
	}
	if err := s.lookAtGroup(ctx, g.ID); err != nil {
		return nil, err
	}
	p, err := pageOf(c)
	if err != nil {
		return nil, err
	}
	snap := s.now.Load()
	return body(c, p, "users", byID(snap.membersOf(g.ID, p.marker), snap.users.at), func(u *User) any {
		if !meetAll(expiry, u.PasswordExpires) {
			return nil
		}
		return userObject(c, u)
	}), nil
}

// groupObject is a group as lists that are no resource show it.
func groupObject(c *api.Call, g *Group) any {
	o, err := c.Entry(g, "/groups/"+g.ID)
	if err != nil { // only if the tags of Group are wrong
		c.Log.Error("identity: cannot show a group", "error", err)
	}
	return o
}

func (s *Service) addToGroup(ctx context.Context, c *api.Call, g *Group) (any, error) {
	user := c.Param("user_id")
	if err := s.ownMember(g, user); err != nil {
		return nil, err
	}
	return nil, s.change(ctx, func(tx *store.Tx) error {
		for kind, id := range map[string]string{kindUser: user, kindGroup: g.ID} {
			if err := hold(ctx, tx, kind, id); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT IGNORE INTO group_members (group_id, user_id) VALUES (?, ?)", g.ID, user)
		return err
	}, member{GroupID: g.ID, UserID: user}.change(false))
}

// ownMember refuses to change who is in a group if either comes from a
// directory: a group has users of its own domain's directory, and no others.
func (s *Service) ownMember(g *Group, user string) error {
	if err := fromDirectory("group", g.ID, g.LocalID); err != nil {
		return err
	}
	if u := s.now.Load().users.at(user); u != nil {
		return fromDirectory("user", u.ID, u.LocalID)
	}
	return nil
}

func (s *Service) isInGroup(ctx context.Context, c *api.Call, g *Group) (any, error) {
	if err := s.lookAtUser(ctx, c.Param("user_id")); err != nil {
		return nil, err
	}
	if !s.now.Load().isMember(g.ID, c.Param("user_id")) {
		return nil, cloud.NotFound("User %s not found in group %s.", c.Param("user_id"), g.ID)
	}
	return nil, nil
}

func (s *Service) takeFromGroup(ctx context.Context, c *api.Call, g *Group) (any, error) {
	user := c.Param("user_id")
	if err := s.ownMember(g, user); err != nil {
		return nil, err
	}
	return nil, s.change(ctx, func(tx *store.Tx) error {
		n, err := s.tables.members.In(tx).Delete(ctx, store.Eq("group_id", g.ID), store.Eq("user_id", user))
		if err == nil && n == 0 {
			return cloud.NotFound("User %s not found in group %s.", user, g.ID)
		}
		return err
	}, member{GroupID: g.ID, UserID: user}.change(true))
}
