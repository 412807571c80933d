package identity

import (
	"context"
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
	PasswordCreated  *time.Time `json:"-"                            db:"password_created_at"`
	PasswordExpires  *plainTime `json:"password_expires_at"          db:"password_expires_at"`
	LastActive       *time.Time `json:"-"                            db:"last_active_at"` // the day; nil: not known
	Options          options    `json:"options"                      db:"options,json"       api:"create,update"`
	Extra            extra      `                                    db:"extra,json"         api:"inline"`
	ValidFrom        time.Time  `json:"-"                            db:"valid_from"` // tokens of before are not valid
	LocalID          *string    `json:"-"                            db:"local_id"`   // in a directory; nil: the user is ours
	Gone             bool       `json:"-"                            db:"gone"`       // from there
}

// users describes /users.
func (s *Service) users() api.Resource[User] {
	return api.Resource[User]{
		Name: "user", Path: "/users", Owner: api.Domain, Links: true, Sort: []store.Sort{{Column: "name"}},
		Write:    policy.Admin,
		Access:   map[api.Op]string{api.OpShow: policy.DomainReader + " or user_id:%(id)s"},
		Rows:     s.tables.users,
		Scope:    s.seenUsers,
		Filters:  []api.Filter{expiryFilter()},
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
	if err := s.mayWrite(in.DomainID); err != nil {
		return err
	}
	if err := s.checkDefaultProject(in); err != nil {
		return err
	}
	in.ValidFrom = s.clock().Add(-time.Second)
	if s.rules.InactiveDays > 0 {
		in.LastActive = s.today()
	}
	if err := s.setPassword(ctx, tx, in, in.Password, true); err != nil {
		return err
	}
	return s.touch(ctx, tx, wrote(kindUser, in.ID))
}

// updatingUser ends the user's tokens when the password changes or the user
// is disabled.
func (s *Service) updatingUser(ctx context.Context, tx *store.Tx, c *api.Call, old, changed *User) error {
	if err := fromDirectory("user", old.ID, old.LocalID); err != nil {
		return err
	}
	changed.Extra.clean()
	if err := updateOptions(c, old.Options, &changed.Options, userOptions, "user", old.ID); err != nil {
		return err
	}
	if err := s.checkDefaultProject(changed); err != nil {
		return err
	}
	if c.Has("password") {
		changed.ValidFrom = s.clock()
		if err := s.setPassword(ctx, tx, changed, changed.Password, true); err != nil {
			return err
		}
	}
	if old.Enabled && !changed.Enabled {
		changed.ValidFrom = s.clock()
	}
	if changed.Enabled && (c.Has("enabled") || c.Has("password")) { // whoever was locked out or inactive begins again
		if s.rules.InactiveDays > 0 {
			changed.LastActive = s.today()
		}
		if err := s.forgetFailures(ctx, tx, changed.ID); err != nil {
			return err
		}
	}
	return s.touch(ctx, tx, wrote(kindUser, changed.ID))
}

func (s *Service) deletingUser(ctx context.Context, tx *store.Tx, _ *api.Call, u *User) error {
	if err := fromDirectory("user", u.ID, u.LocalID); err != nil {
		return err
	}
	// The row is held, so that no role is given to it meanwhile.
	if _, err := s.tables.users.In(tx).Lock(ctx, u.ID); err != nil {
		return err
	}
	if err := s.dropActor(ctx, tx, "user", u.ID); err != nil {
		return err
	}
	if err := s.forgetFailures(ctx, tx, u.ID); err != nil {
		return err
	}
	return s.touch(ctx, tx, gone(kindUser, u.ID))
}

// checkDefaultProject refuses a domain as default project.
func (s *Service) checkDefaultProject(u *User) error {
	if p := s.now.Load().projects.at(orNone(u.DefaultProjectID)); p != nil && p.IsDomain {
		return cloud.BadRequest("default_project_id is %s; allowed: a project that is no domain", p.ID)
	}
	return nil
}

// userProjects lists the projects on which a user has a role.
func (s *Service) userProjects(_ context.Context, c *api.Call, u *User) (any, error) {
	return s.projectsOf(c, u.ID)
}

// userGroups lists the groups that a user is in.
func (s *Service) userGroups(ctx context.Context, c *api.Call, u *User) (any, error) {
	if err := s.lookAtUser(ctx, u.ID); err != nil {
		return nil, err
	}
	p, err := pageOf(c)
	if err != nil {
		return nil, err
	}
	snap := s.now.Load()
	return body(c, p, "groups", byID(slices.Values(snap.groupsOf(u.ID)), snap.groups.at), func(g *Group) any { return groupObject(c, g) }), nil
}

// projectsOf is a page of the enabled projects on which a user has a role.
func (s *Service) projectsOf(c *api.Call, user string, said ...string) (any, error) {
	p, err := pageOf(c)
	if err != nil {
		return nil, err
	}
	snap := s.now.Load()
	return body(c, p, "projects", byID(slices.Values(snap.targetsOf(user, "project", said...)), snap.projects.at), func(p *Project) any {
		if !p.Enabled {
			return nil
		}
		return projectObject(c, p)
	}), nil
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
