package identity

import (
	"context"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A Role is a name that policy rules ask for. A role of a domain is a name for
// the roles that it implies: no token carries it.
type Role struct {
	ID          string  `json:"id"          db:"id,key"`
	Name        string  `json:"name"        db:"name"         api:"create,update,required,name,filter,sort"`
	DomainID    *string `json:"domain_id"   db:"domain_id"    api:"create"`
	Description string  `json:"description" db:"description"  api:"create,update,max=65535"`
	Options     options `json:"options"     db:"options,json" api:"create,update"`
}

// roles describes /roles, and which of them imply which.
func (s *Service) roles() api.Resource[Role] {
	return api.Resource[Role]{
		Name: "role", Path: "/roles", Owner: api.Cloud, Links: true, Sort: []store.Sort{{Column: "name"}},
		Read: policy.AdminOrSystemReader, Write: policy.Admin, Rows: s.tables.roles,
		Filters: []api.Filter{{Name: "domain_id", Cond: func(context.Context, *api.Call, []string) ([]store.Cond, error) { return nil, nil }}},
		// Without a domain lists have the global roles.
		Scope: func(_ context.Context, c *api.Call) ([]store.Cond, error) {
			switch id := c.Query().Get("domain_id"); {
			case c.Op != api.OpList:
				return nil, nil
			case id == "":
				return []store.Cond{store.Eq("domain_id", nil)}, nil
			default:
				return []store.Cond{store.Eq("domain_id", id)}, nil
			}
		},
		Creating: func(ctx context.Context, tx *store.Tx, _ *api.Call, in *Role) error {
			if err := in.Options.check(resourceOptions); err != nil {
				return err
			}
			if in.DomainID != nil && s.now.Load().domains.at(*in.DomainID) == nil {
				return cloud.NotFound("Could not find domain: %s.", *in.DomainID)
			}
			return s.touch(ctx, tx, wrote(kindRole, in.ID))
		},
		Updating: func(ctx context.Context, tx *store.Tx, c *api.Call, old, changed *Role) error {
			if err := updateOptions(c, old.Options, &changed.Options, resourceOptions, "role", old.ID); err != nil {
				return err
			}
			return s.touch(ctx, tx, wrote(kindRole, old.ID))
		},
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, r *Role) error {
			if err := r.Options.mayDelete("role", r.ID); err != nil {
				return err
			}
			return s.touch(ctx, tx, gone(kindRole, r.ID))
		},
		Below: []api.Below[Role]{
			{Method: http.MethodGet, Path: "/implies", Do: s.listImplied},
			{Method: http.MethodPut, Path: "/implies/{implied_id}", Code: http.StatusCreated, Do: s.imply},
			{Method: http.MethodGet, Path: "/implies/{implied_id}", Do: s.showImplied},
			{Method: http.MethodHead, Path: "/implies/{implied_id}", Code: http.StatusNoContent, Do: s.isImplied},
			{Method: http.MethodDelete, Path: "/implies/{implied_id}", Do: s.implyNoMore},
		},
	}
}
