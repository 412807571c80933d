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

// A trust lets one user, the trustee, act on a project with roles of another,
// the trustor: as itself or, with impersonation, as the trustor.
type trust struct {
	ID                 string     `json:"id"                             db:"id,key"`
	TrustorID          string     `json:"trustor_user_id"                db:"trustor_user_id"      api:"create,required,filter"`
	TrusteeID          string     `json:"trustee_user_id"                db:"trustee_user_id"      api:"create,required,filter"`
	ProjectID          string     `json:"project_id"                     db:"project_id"           api:"create,required"`
	Impersonation      bool       `json:"impersonation"                  db:"impersonation"        api:"create,required"`
	ExpiresAt          *time.Time `json:"expires_at"                     db:"expires_at"           api:"create"`
	RemainingUses      *int64     `json:"remaining_uses"                 db:"remaining_uses"       api:"create,min=1"`
	Roles              []roleRef  `json:"roles,omitempty"                                          api:"create"`
	RoleIDs            []string   `json:"-"                              db:"roles,json"`
	RedelegatedTrustID *string    `json:"redelegated_trust_id,omitempty" db:"redelegated_trust_id"`
	RedelegationCount  int        `json:"redelegation_count"             db:"redelegation_count"   api:"create,min=0"`
	AllowRedelegation  bool       `json:"allow_redelegation,omitempty"                             api:"create,hidden"`
	DeletedAt          *time.Time `json:"deleted_at"` // a trust that was deleted is gone
	CreatedAt          time.Time  `json:"-"                              db:"created_at"`
}

// maxRedelegation is how many times a trust may be handed on (Keystone's
// default).
const maxRedelegation = 3

// trusts describes /OS-TRUST/trusts. They are made by the trustor, seen by
// both, and taken back by the trustor.
func (s *Service) trusts() api.Resource[trust] {
	return api.Resource[trust]{
		Name: "trust", Path: "/OS-TRUST/trusts", Owner: api.Cloud, Links: true,
		Read: policy.Anyone, Write: policy.Anyone, Rows: s.tables.trusts,
		Scope: func(_ context.Context, c *api.Call) ([]store.Cond, error) {
			live := store.Or(store.Eq("expires_at", nil), store.Gt("expires_at", s.clock()))
			if c.Caller.IsAdmin {
				return []store.Cond{live}, nil
			}
			return []store.Cond{live, store.Or(store.Eq("trustor_user_id", c.Caller.UserID), store.Eq("trustee_user_id", c.Caller.UserID))}, nil
		},
		Fill: func(_ context.Context, c *api.Call, rows []*trust) error {
			for _, t := range rows {
				if c.Op != api.OpList { // Keystone's lists are without
					t.Roles = s.now.Load().refs(t.RoleIDs)
				}
			}
			return nil
		},
		Creating: s.creatingTrust,
		Deleting: func(ctx context.Context, tx *store.Tx, c *api.Call, t *trust) error {
			if t.TrustorID != c.Caller.UserID && !c.Caller.IsAdmin {
				return cloud.Forbidden("The trust %s is its trustor's to delete.", t.ID)
			}
			return s.touch(ctx, tx, gone(kindTrust, t.ID))
		},
		Below: []api.Below[trust]{
			{Method: http.MethodGet, Path: "/roles", Do: s.trustRoles},
			{Method: http.MethodGet, Path: "/roles/{role_id}", Do: s.trustRole},
			{Method: http.MethodHead, Path: "/roles/{role_id}", Do: s.trustRole},
		},
	}
}

func (s *Service) creatingTrust(ctx context.Context, tx *store.Tx, c *api.Call, in *trust) error {
	snap := s.now.Load()
	switch {
	case in.TrustorID != c.Caller.UserID:
		return cloud.Forbidden("The authenticated user should match the trustor.")
	case snap.users.at(in.TrusteeID) == nil:
		return cloud.NotFound("Could not find user: %s.", in.TrusteeID)
	case snap.projects.at(in.ProjectID) == nil:
		return cloud.NotFound("Could not find project: %s.", in.ProjectID)
	case in.ExpiresAt != nil && !in.ExpiresAt.After(s.clock()):
		return cloud.BadRequest("expires_at is %s; allowed: a time to come", in.ExpiresAt.Format(time.RFC3339))
	case len(in.Roles) == 0:
		return cloud.Forbidden("At least one role should be specified.")
	case in.AllowRedelegation && in.RemainingUses != nil:
		return cloud.BadRequest("remaining_uses must not be set if redelegation is allowed.")
	case in.RedelegationCount > maxRedelegation:
		return cloud.Forbidden("Requested redelegation depth of %d is greater than allowed %d.", in.RedelegationCount, maxRedelegation)
	}
	switch {
	case !in.AllowRedelegation:
		in.RedelegationCount = 0
	case !c.Has("redelegation_count"):
		in.RedelegationCount = maxRedelegation
	}
	have := snap.rolesOn(in.TrustorID, target{"project", in.ProjectID})
	for i := range in.Roles {
		r := snap.findRole(&in.Roles[i])
		if r == nil || !slices.Contains(have, r) {
			return cloud.Forbidden("roles.%d is %q, which the trustor has not on the project %s.", i, in.Roles[i].ID+in.Roles[i].Name, in.ProjectID)
		}
		in.RoleIDs = append(in.RoleIDs, r.ID)
	}
	if c.Caller.Delegated {
		if err := s.redelegate(c, in); err != nil {
			return err
		}
	}
	return s.touch(ctx, tx, wrote(kindTrust, in.ID))
}

// redelegate holds a trust that is made with another one against that: it
// must not be more in any way.
func (s *Service) redelegate(c *api.Call, in *trust) error {
	v, err := s.validate(c.Request().Header.Get("X-Auth-Token"))
	if err != nil {
		return err
	}
	from := v.trust
	if from == nil {
		return withinCredential(c, v.snap, in)
	}
	switch {
	case from.RedelegationCount < 1:
		return cloud.Forbidden("Redelegation of the trust %s is not allowed.", from.ID)
	case in.RedelegationCount >= from.RedelegationCount && c.Has("redelegation_count"):
		return cloud.Forbidden("Remaining redelegation depth of %d is out of the allowed range of [0..%d].", in.RedelegationCount, from.RedelegationCount-1)
	case in.ProjectID != from.ProjectID:
		return cloud.Forbidden("The requested project %s is not that of the redelegated trust.", in.ProjectID)
	case in.Impersonation && !from.Impersonation:
		return cloud.Forbidden("Impersonation is not allowed because the redelegated trust does not specify it.")
	case from.ExpiresAt != nil && (in.ExpiresAt == nil || in.ExpiresAt.After(*from.ExpiresAt)):
		return cloud.Forbidden("The requested expiration time is more than the redelegated trust can provide.")
	}
	for _, id := range in.RoleIDs {
		if !contains(from.RoleIDs, id) {
			return cloud.Forbidden("Some of the requested roles are not in the redelegated trust.")
		}
	}
	if in.AllowRedelegation {
		in.RedelegationCount = min(in.RedelegationCount, from.RedelegationCount-1)
	}
	in.RedelegatedTrustID = &from.ID
	return nil
}

// withinCredential holds a trust that is made with an application credential
// against that: its project, its roles.
func withinCredential(c *api.Call, snap *snapshot, in *trust) error {
	if err := mayDelegate(c); err != nil {
		return err
	}
	if in.ProjectID != c.Caller.ProjectID {
		return cloud.Forbidden("project_id is %s; the application credential is for the project %s.", in.ProjectID, c.Caller.ProjectID)
	}
	for _, id := range in.RoleIDs {
		if !c.Caller.Has(snap.roles.at(id).Name) {
			return cloud.Forbidden("The application credential has not all of the requested roles.")
		}
	}
	return nil
}

// trustRoles lists the roles of a trust.
func (s *Service) trustRoles(_ context.Context, c *api.Call, t *trust) (any, error) {
	snap, list := s.now.Load(), []any{}
	for _, id := range t.RoleIDs {
		if r := snap.roles.at(id); r != nil {
			list = append(list, roleObject(c, r))
		}
	}
	return listOf(c, "roles", list), nil
}

// trustRole shows one role of a trust.
func (s *Service) trustRole(_ context.Context, c *api.Call, t *trust) (any, error) {
	id := c.Param("role_id")
	r := s.now.Load().roles.at(id)
	if r == nil || !contains(t.RoleIDs, id) {
		return nil, cloud.NotFound("Could not find role: %s.", id)
	}
	return map[string]any{"role": roleObject(c, r)}, nil
}

// useTrust counts one use of a trust that has so many; Forbidden if all are
// used up.
func (s *Service) useTrust(ctx context.Context, t *trust) error {
	if t == nil || t.RemainingUses == nil {
		return nil
	}
	return s.change(ctx, func(tx *store.Tx) error {
		n, err := s.tables.trusts.In(tx).Change(ctx, store.Set{"remaining_uses": store.Expr("remaining_uses - 1")},
			store.Eq("id", t.ID), store.Gt("remaining_uses", 0))
		if err == nil && n == 0 {
			err = cloud.Forbidden("No remaining uses for trust: %s.", t.ID)
		}
		return err
	}, wrote(kindTrust, t.ID))
}
