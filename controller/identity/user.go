package identity

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A User is somebody who can have tokens. The password is kept as a hash (see
// hashPassword) and never shown.
type User struct {
	ID               string     `json:"id"                           db:"id,key"`
	Name             string     `json:"name"                         db:"name"               api:"create,update,required,name,filter,sort"`
	DomainID         string     `json:"domain_id"                    db:"domain_id"          api:"create,filter"`
	Password         string     `json:"password,omitempty"                                   api:"create,update,hidden,max=1024"`
	PasswordHash     string     `json:"-"                            db:"password_hash"`
	Email            *string    `json:"email,omitempty"              db:"email"              api:"create,update,max=255"`
	Description      string     `json:"description,omitempty"        db:"description"        api:"create,update,max=65535"`
	DefaultProjectID *string    `json:"default_project_id,omitempty" db:"default_project_id" api:"create,update"`
	Enabled          bool       `json:"enabled"                      db:"enabled"            api:"create,update,default=true,filter"`
	PasswordExpires  *time.Time `json:"password_expires_at"`
	Options          options    `json:"options"                      db:"options,json"       api:"create,update"`
	Extra            extra      `                                    db:"extra,json"         api:"inline"`
	ValidFrom        time.Time  `json:"-"                            db:"valid_from"` // tokens of before are not valid
}

// users describes /users.
func (s *Service) users() api.Resource[User] {
	return api.Resource[User]{
		Name: "user", Path: "/users", Owner: api.Cloud, Links: true, Sort: []store.Sort{{Column: "name"}},
		Read: policy.Admin, Write: policy.Admin,
		Access:   map[api.Op]string{api.OpShow: "role:admin or user_id:%(id)s"},
		Rows:     s.tables.users,
		Creating: s.creatingUser,
		Updating: s.updatingUser,
		Deleting: s.deletingUser,
		Below: []api.Below[User]{
			{Method: http.MethodGet, Path: "/projects", Do: s.userProjects},
			{Method: http.MethodGet, Path: "/groups", Do: s.userGroups},
		},
	}
}

func (s *Service) creatingUser(ctx context.Context, tx *store.Tx, c *api.Call, in *User) error {
	in.Extra.clean()
	if err := in.Options.check(userOptions); err != nil {
		return err
	}
	if err := s.inDomain(c, &in.DomainID); err != nil {
		return err
	}
	if err := s.checkDefaultProject(in); err != nil {
		return err
	}
	in.ValidFrom = s.clock().Add(-time.Second)
	hash, err := s.hashPassword(ctx, in.Password)
	if err != nil {
		return err
	}
	in.PasswordHash = hash
	return s.touch(ctx, tx)
}

// updatingUser ends the user's tokens when the password changes or the user
// is disabled.
func (s *Service) updatingUser(ctx context.Context, tx *store.Tx, c *api.Call, old, changed *User) error {
	changed.Extra.clean()
	if err := updateOptions(c, old.Options, &changed.Options, userOptions, "user", old.ID); err != nil {
		return err
	}
	if err := s.checkDefaultProject(changed); err != nil {
		return err
	}
	if c.Has("password") {
		hash, err := s.hashPassword(ctx, changed.Password)
		if err != nil {
			return err
		}
		changed.PasswordHash, changed.ValidFrom = hash, s.clock()
	}
	if old.Enabled && !changed.Enabled {
		changed.ValidFrom = s.clock()
	}
	return s.touch(ctx, tx)
}

func (s *Service) deletingUser(ctx context.Context, tx *store.Tx, _ *api.Call, u *User) error {
	if err := s.dropActor(ctx, tx, "user", u.ID); err != nil {
		return err
	}
	return s.touch(ctx, tx)
}

// checkDefaultProject refuses a domain as default project.
func (s *Service) checkDefaultProject(u *User) error {
	if p := s.now.Load().projects[orNone(u.DefaultProjectID)]; p != nil && p.IsDomain {
		return cloud.BadRequest("default_project_id is %s; allowed: a project that is no domain", p.ID)
	}
	return nil
}

// changePassword answers POST /users/{user_id}/password: who knows the old
// password needs no token.
func (s *Service) changePassword(ctx context.Context, c *api.Call) error {
	var body struct {
		User json.RawMessage `json:"user"`
	}
	if err := c.Read(&body); err != nil {
		return err
	}
	in, err := api.DecodeRaw[struct {
		Password string `json:"password"          api:"required,min=1,max=1024"`
		Original string `json:"original_password" api:"required,max=1024"`
	}](c, body.User)
	if err != nil {
		return err
	}
	snap := s.now.Load()
	u := snap.users[c.Param("user_id")]
	right, err := s.checkPassword(ctx, u, in.Original)
	switch {
	case err != nil:
		return err
	case !right || !u.Enabled || !snap.enabledDomain(u.DomainID):
		return cloud.Unauthorized("")
	case u.Options.on("lock_password"):
		return cloud.Forbidden("The password of user %s is locked: it can be changed by an administrator only.", u.ID)
	}
	hash, err := s.hashPassword(ctx, in.Password)
	if err != nil {
		return err
	}
	err = s.change(ctx, func(tx *store.Tx) error {
		_, err := s.tables.users.In(tx).Change(ctx, store.Set{"password_hash": hash, "valid_from": s.clock()}, store.Eq("id", u.ID))
		return err
	})
	if err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}

// userProjects lists the projects on which a user has a role.
func (s *Service) userProjects(_ context.Context, c *api.Call, u *User) (any, error) {
	return listOf(c, "projects", s.projectsOf(c, u.ID)), nil
}

// userGroups lists the groups that a user is in.
func (s *Service) userGroups(_ context.Context, c *api.Call, u *User) (any, error) {
	snap := s.now.Load()
	groups := []any{}
	for _, id := range snap.groupsOf[u.ID] {
		g := snap.groups[id]
		o, err := c.Entry(g, "/groups/"+g.ID)
		if err != nil {
			return nil, err
		}
		groups = append(groups, o)
	}
	return listOf(c, "groups", groups), nil
}

// projectsOf are the enabled projects on which a user has a role, as objects.
func (s *Service) projectsOf(c *api.Call, user string) []any {
	snap := s.now.Load()
	projects := []any{}
	for _, id := range snap.targetsOf(user, "project") {
		p := snap.projects[id]
		if p == nil || !p.Enabled {
			continue
		}
		projects = append(projects, projectObject(c, p))
	}
	return projects
}

// userObject is a user as lists that are no resource show it.
func userObject(c *api.Call, u *User) any {
	o, err := c.Entry(u, "/users/"+u.ID)
	if err != nil { // only if the tags of User are wrong
		c.Log.Error("identity: cannot show a user", "error", err)
	}
	return o
}

// self is the link of an entity.
func self(c *api.Call, path string) map[string]string { return map[string]string{"self": c.URL(path)} }

// listOf is a list in identity's envelope.
func listOf(c *api.Call, name string, entries []any) map[string]any {
	return map[string]any{name: entries, "links": listLinks(c)}
}

func listLinks(c *api.Call) map[string]any {
	return map[string]any{"self": c.Host() + c.Request().URL.Path, "next": nil, "previous": nil}
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
