package identity

import (
	"context"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A Project owns what is in the cloud. Projects do not nest: the parent is
// the domain.
type Project struct {
	ID          string   `json:"id"          db:"id,key"`
	Name        string   `json:"name"        db:"name"        api:"create,update,required,name,max=64,filter,sort"`
	DomainID    string   `json:"domain_id"   db:"domain_id"   api:"create,filter"`
	ParentID    string   `json:"parent_id"   db:"parent_id"   api:"create,filter"`
	IsDomain    bool     `json:"is_domain"`
	Description string   `json:"description" db:"description" api:"create,update,max=65535"`
	Enabled     bool     `json:"enabled"     db:"enabled"     api:"create,update,default=true,filter"`
	Options     struct{} `json:"options"`
	Tags        []string `json:"tags"`
}

// projects describes /projects.
func (s *Service) projects() api.Resource[Project] {
	return api.Resource[Project]{
		Name: "project", Path: "/projects", Owner: api.Cloud, Links: true, Sort: []store.Sort{{Column: "name"}},
		Read: policy.Admin, Write: policy.Admin,
		Access: map[api.Op]string{api.OpShow: "role:admin or project_id:%(id)s"},
		Rows:   s.tables.projects,
		Creating: func(ctx context.Context, tx *store.Tx, c *api.Call, in *Project) error {
			if err := s.inDomain(c, &in.DomainID); err != nil {
				return err
			}
			if in.ParentID != "" && in.ParentID != in.DomainID {
				return cloud.BadRequest("parent_id is %s; allowed: the domain %s", in.ParentID, in.DomainID)
			}
			in.ParentID = in.DomainID
			return s.touch(ctx, tx)
		},
		Updating: func(ctx context.Context, tx *store.Tx, _ *api.Call, _, _ *Project) error { return s.touch(ctx, tx) },
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, p *Project) error {
			if err := s.dropTarget(ctx, tx, target{"project", p.ID}); err != nil {
				return err
			}
			return s.touch(ctx, tx)
		},
	}
}
