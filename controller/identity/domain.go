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

// A Domain holds users, groups and projects; names are unique inside one.
type Domain struct {
	ID          string   `json:"id"          db:"id,key"`
	Name        string   `json:"name"        db:"name"        api:"create,update,required,name,max=64,filter,sort"`
	Description string   `json:"description" db:"description" api:"create,update,max=65535"`
	Enabled     bool     `json:"enabled"     db:"enabled"     api:"create,update,default=true,filter"`
	Options     struct{} `json:"options"`
	Tags        []string `json:"tags"`
}

// domains describes /domains.
func (s *Service) domains() api.Resource[Domain] {
	return api.Resource[Domain]{
		Name: "domain", Path: "/domains", Owner: api.Cloud, Links: true, Sort: []store.Sort{{Column: "name"}},
		Read: policy.Admin, Write: policy.Admin, Rows: s.tables.domains,
		Creating: func(ctx context.Context, tx *store.Tx, _ *api.Call, _ *Domain) error { return s.touch(ctx, tx) },
		Updating: func(ctx context.Context, tx *store.Tx, _ *api.Call, _, _ *Domain) error { return s.touch(ctx, tx) },
		Deleting: s.deletingDomain,
	}
}

// deletingDomain lets a domain go with everything in it, but only after it
// was disabled (Keystone's rule).
func (s *Service) deletingDomain(ctx context.Context, tx *store.Tx, _ *api.Call, d *Domain) error {
	if d.Enabled {
		return cloud.Forbidden("Cannot delete a domain that is enabled, please disable it first.")
	}
	projects, err := s.tables.projects.In(tx).List(ctx, store.Query{Where: []store.Cond{store.Eq("domain_id", d.ID)}})
	if err != nil {
		return err
	}
	for i := range projects {
		if err := s.dropTarget(ctx, tx, target{"project", projects[i].ID}); err != nil {
			return err
		}
	}
	for _, actors := range []store.Cond{
		store.Sub("actor_id", "SELECT id FROM users WHERE domain_id = ?", d.ID),
		store.Sub("actor_id", "SELECT id FROM user_groups WHERE domain_id = ?", d.ID),
	} {
		if _, err := s.tables.assignments.In(tx).Delete(ctx, actors); err != nil {
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
	if err := s.dropTarget(ctx, tx, target{"domain", d.ID}); err != nil {
		return err
	}
	return s.touch(ctx, tx)
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
	if s.now.Load().domains[*id] == nil {
		return cloud.NotFound("Could not find domain: %s.", *id)
	}
	return nil
}
