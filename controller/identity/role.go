package identity

import (
	"context"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A Role is a name that policy rules ask for. Roles are global.
type Role struct {
	ID          string   `json:"id"          db:"id,key"`
	Name        string   `json:"name"        db:"name"        api:"create,update,required,name,filter,sort"`
	DomainID    *string  `json:"domain_id"`
	Description string   `json:"description" db:"description" api:"create,update,max=65535"`
	Options     struct{} `json:"options"`
}

// roles describes /roles.
func (s *Service) roles() api.Resource[Role] {
	return api.Resource[Role]{
		Name: "role", Path: "/roles", Owner: api.Cloud, Links: true, Sort: []store.Sort{{Column: "name"}},
		Read: policy.Admin, Write: policy.Admin, Rows: s.tables.roles,
		Creating: func(ctx context.Context, tx *store.Tx, _ *api.Call, _ *Role) error { return s.touch(ctx, tx) },
		Updating: func(ctx context.Context, tx *store.Tx, _ *api.Call, _, _ *Role) error { return s.touch(ctx, tx) },
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, _ *Role) error { return s.touch(ctx, tx) },
	}
}
