package identity

import (
	"context"
	"net/http"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// An oauthAccess is an access token: a consumer may act for a user, on a
// project, with some of the user's roles.
type oauthAccess struct {
	ID         string    `json:"id"                  db:"id,key"`
	ConsumerID string    `json:"consumer_id"         db:"consumer_id"`
	UserID     string    `json:"authorizing_user_id" db:"user_id"`
	ProjectID  string    `json:"project_id"          db:"project_id"`
	Sealed     string    `json:"-"                   db:"secret_sealed"`
	ExpiresAt  time.Time `json:"expires_at"          db:"expires_at"`
	RoleIDs    []string  `json:"-"                   db:"roles,json"`
}

// accesses describes /users/{user_id}/OS-OAUTH1/access_tokens: users see whom
// they let act for them, and end it.
func (s *Service) accesses() api.Resource[oauthAccess] {
	return api.Resource[oauthAccess]{
		Name: "access_token", Path: "/users/{user_id}/OS-OAUTH1/access_tokens", Noun: "access token", Owner: api.User, Links: true,
		Read: policy.Self, Write: policy.Self, Rows: s.tables.oauthAccesses,
		Scope: func(_ context.Context, c *api.Call) ([]store.Cond, error) {
			if err := inPerson(c); err != nil {
				return nil, err
			}
			live := store.Gt("expires_at", s.clock())
			if c.Caller.IsAdmin {
				return []store.Cond{live}, nil
			}
			return []store.Cond{live, store.Eq("user_id", c.Caller.UserID)}, nil
		},
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, a *oauthAccess) error {
			return s.touch(ctx, tx, gone(kindAccess, a.ID))
		},
		Below: []api.Below[oauthAccess]{
			{Method: http.MethodGet, Path: "/roles", Do: s.accessRoles},
			{Method: http.MethodGet, Path: "/roles/{role_id}", Do: s.accessRole},
		},
	}
}

// accessRoles lists the roles of an access token.
func (s *Service) accessRoles(_ context.Context, c *api.Call, a *oauthAccess) (any, error) {
	snap, list := s.now.Load(), []any{}
	for _, id := range a.RoleIDs {
		if r := snap.roles.at(id); r != nil {
			list = append(list, roleObject(c, r))
		}
	}
	return listOf(c, "roles", list), nil
}

// accessRole shows one role of an access token.
func (s *Service) accessRole(_ context.Context, c *api.Call, a *oauthAccess) (any, error) {
	id := c.Param("role_id")
	r := s.now.Load().roles.at(id)
	if r == nil || !contains(a.RoleIDs, id) {
		return nil, cloud.NotFound("Could not find role: %s.", short(id))
	}
	return map[string]any{"role": roleObject(c, r)}, nil
}

// byOAuth1 logs a consumer in as the user who has agreed to it.
func (s *Service) byOAuth1(ctx context.Context, l *login, t *token) error {
	if t.user != "" || len(l.Auth.Identity.Methods) > 1 {
		return cloud.Unauthorized("OAuth cannot be combined with other methods.")
	}
	p, err := parseOAuth(l.call.Request().Header.Get("Authorization"))
	if err != nil {
		return err
	}
	a, err := s.tables.oauthAccesses.Get(ctx, p[oauthToken])
	if err != nil && !cloud.IsNotFound(err) {
		return err
	}
	access, secret := &oauthAccess{}, newSecret()
	if a != nil {
		access = a
		if secret, err = s.secrets.open(a.Sealed, a.ID); err != nil {
			return err
		}
	}
	known := access.ConsumerID == p[oauthConsumer] && s.clock().Before(access.ExpiresAt)
	if err := s.verifyOAuth(ctx, l.call, p, secret, known); err != nil {
		return err
	}
	t.user, t.access, t.scope = access.UserID, access.ID, target{"project", access.ProjectID}
	t.methods |= methodOAuth1
	t.expires = earlier(s.clock().Add(tokenLifetime), access.ExpiresAt)
	return nil
}

// byAccess sees that the access token of a session holds.
func (v *session) byAccess(now time.Time) error {
	a := v.snap.accesses.at(v.token.access)
	if a == nil || a.UserID != v.user.ID || a.ProjectID != v.scope.id || !now.Before(a.ExpiresAt) {
		return cloud.Unauthorized("")
	}
	v.access = a
	return nil
}

// endAccesses deletes the access tokens that meet a condition.
func (s *Service) endAccesses(ctx context.Context, tx *store.Tx, where store.Cond) error {
	rows, err := s.tables.oauthAccesses.In(tx).List(ctx, store.Query{Where: []store.Cond{where}})
	if err != nil || len(rows) == 0 {
		return err
	}
	var changes []change
	for i := range rows {
		changes = append(changes, gone(kindAccess, rows[i].ID))
	}
	if _, err := s.tables.oauthAccesses.In(tx).Delete(ctx, where); err != nil {
		return err
	}
	return s.touch(ctx, tx, changes...)
}
