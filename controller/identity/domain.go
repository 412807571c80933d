package identity

import (
	"context"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// DefaultDomain is the id of the domain that every cloud has.
const DefaultDomain = "default"

// A Domain holds users, groups and projects; names are unique inside one. It
// is a project too, of the same id, that is_domain: the two rows say the same.
type Domain struct {
	ID          string   `json:"id"          db:"id,key"`
	Name        string   `json:"name"        db:"name"         api:"create,update,required,name,max=64,filter,sort"`
	Description string   `json:"description" db:"description"  api:"create,update,max=65535"`
	Enabled     bool     `json:"enabled"     db:"enabled"      api:"create,update,default=true,filter"`
	Options     options  `json:"options"     db:"options,json" api:"create,update"`
	Tags        []string `json:"tags"        db:"tags,json"    api:"create,update"`
	Extra       extra    `                   db:"extra,json"   api:"inline"`
}

// domains describes /domains.
func (s *Service) domains() api.Resource[Domain] {
	return api.Resource[Domain]{
		Name: "domain", Path: "/domains", Owner: api.Cloud, Links: true, Sort: []store.Sort{{Column: "name"}},
		Read: policy.AdminOrSystemReader, Write: policy.Admin, Rows: s.tables.domains,
		Access: map[api.Op]string{api.OpShow: policy.AdminOrSystemReader + " or domain_id:%(id)s or project_domain_id:%(id)s or user_domain_id:%(id)s"},
		Create: func(ctx context.Context, _ *api.Call, in *Domain) (*Domain, error) {
			in.Extra.clean()
			if err := in.Options.check(resourceOptions); err != nil {
				return nil, err
			}
			if err := checkTags(in.Tags); err != nil {
				return nil, err
			}
			return in, s.change(ctx, func(tx *store.Tx) error { return s.insertDomain(ctx, tx, in) }, wrote(kindDomain, in.ID))
		},
		Updating: s.updatingDomain,
		Delete: func(ctx context.Context, _ *api.Call, d *Domain) error {
			return s.change(ctx, func(tx *store.Tx) error { return s.dropDomain(ctx, tx, d) }, gone(kindDomain, d.ID))
		},
	}
}

// project is the domain's project.
func (d *Domain) project() *Project {
	return &Project{
		ID: d.ID, Name: d.Name, DomainID: &d.ID, ParentID: new(string), IsDomain: true, Description: d.Description, Enabled: d.Enabled,
		Options: d.Options, Tags: d.Tags, Extra: d.Extra,
	}
}

// domainOf is the domain of a project that is one.
func domainOf(p *Project) *Domain {
	return &Domain{ID: p.ID, Name: p.Name, Description: p.Description, Enabled: p.Enabled, Options: p.Options, Tags: p.Tags, Extra: p.Extra}
}

func (s *Service) insertDomain(ctx context.Context, tx *store.Tx, d *Domain) error {
	if err := s.tables.domains.In(tx).Insert(ctx, d); err != nil {
		return err
	}
	return s.tables.projects.In(tx).Insert(ctx, d.project())
}

func (s *Service) updatingDomain(ctx context.Context, tx *store.Tx, c *api.Call, old, changed *Domain) error {
	changed.Extra.clean()
	if err := updateOptions(c, old.Options, &changed.Options, resourceOptions, "domain", old.ID); err != nil {
		return err
	}
	if err := checkTags(changed.Tags); err != nil {
		return err
	}
	if err := s.tables.projects.In(tx).Update(ctx, changed.project()); err != nil {
		return err
	}
	return s.touch(ctx, tx, wrote(kindDomain, changed.ID))
}

// dropDomain lets a domain go with everything in it, but only after it was
// disabled (Keystone's rule).
func (s *Service) dropDomain(ctx context.Context, tx *store.Tx, d *Domain) error {
	if err := d.Options.mayDelete("domain", d.ID); err != nil {
		return err
	}
	if d.Enabled {
		return cloud.Forbidden("Cannot delete a domain that is enabled, please disable it first.")
	}
	for _, table := range []string{"users", "user_groups", "projects"} { // no role is given to them or on them meanwhile
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table+" WHERE domain_id = ? FOR UPDATE", d.ID).Scan(&n); err != nil {
			return err
		}
	}
	for _, rows := range []store.Cond{
		store.Sub("actor_id", "SELECT id FROM users WHERE domain_id = ?", d.ID),
		store.Sub("actor_id", "SELECT id FROM user_groups WHERE domain_id = ?", d.ID),
		store.Sub("target_id", "SELECT id FROM projects WHERE domain_id = ?", d.ID), // the domain is one of them
	} {
		if _, err := s.tables.assignments.In(tx).Delete(ctx, rows); err != nil {
			return err
		}
	}
	in := store.Eq("domain_id", d.ID)
	if _, err := s.tables.projects.In(tx).Delete(ctx, in); err != nil {
		return err
	}
	if _, err := s.tables.users.In(tx).Delete(ctx, in); err != nil {
		return err
	}
	if _, err := s.tables.groups.In(tx).Delete(ctx, in); err != nil {
		return err
	}
	n, err := s.tables.domains.In(tx).Delete(ctx, store.Eq("id", d.ID))
	if err == nil && n == 0 {
		err = cloud.NotFound("Could not find domain: %s.", d.ID)
	}
	return err
}

// dropTarget takes away all roles on a target.
func (s *Service) dropTarget(ctx context.Context, tx *store.Tx, t target) error {
	_, err := s.tables.assignments.In(tx).Delete(ctx, store.Eq("target_kind", t.kind), store.Eq("target_id", t.id))
	return err
}

// dropActor takes away all roles of a user or group.
func (s *Service) dropActor(ctx context.Context, tx *store.Tx, kind, id string) error {
	_, err := s.tables.assignments.In(tx).Delete(ctx, store.Eq("actor_kind", kind), store.Eq("actor_id", id))
	return err
}

// inDomain fills in the domain of something new: the caller's, if the body
// names none.
func (s *Service) inDomain(c *api.Call, id *string) error {
	if *id == "" {
		*id = c.Caller.UserDomainID
		if c.Caller.DomainID != "" {
			*id = c.Caller.DomainID
		}
	}
	if s.now.Load().domains.at(*id) == nil {
		return cloud.NotFound("Could not find domain: %s.", *id)
	}
	return nil
}
