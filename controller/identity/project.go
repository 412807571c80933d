package identity

import (
	"context"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A Project owns what is in the cloud. Projects nest; the topmost parent is
// the domain, which is a project too (see [Domain]).
type Project struct {
	ID          string   `json:"id"          db:"id,key"`
	Name        string   `json:"name"        db:"name"         api:"create,update,required,name,max=64,filter,sort"`
	DomainID    *string  `json:"domain_id"   db:"domain_id"    api:"create,filter"`
	ParentID    *string  `json:"parent_id"   db:"parent_id"    api:"create,filter"`
	IsDomain    bool     `json:"is_domain"   db:"is_domain"    api:"create,filter"`
	Description string   `json:"description" db:"description"  api:"create,update,max=65535"`
	Enabled     bool     `json:"enabled"     db:"enabled"      api:"create,update,default=true,filter"`
	Options     options  `json:"options"     db:"options,json" api:"create,update"`
	Tags        []string `json:"tags"        db:"tags,json"    api:"create,update"`
	Extra       extra    `                   db:"extra,json"   api:"inline"`

	Parents any `json:"parents,omitempty"` // what the query of a show asks for
	Subtree any `json:"subtree,omitempty"`
}

// domain is the id of the project's domain.
func (p *Project) domain() string { return orNone(p.DomainID) }

// parent is the id of the project above; of a domain empty.
func (p *Project) parent() string { return orNone(p.ParentID) }

func orNone(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// projects describes /projects.
func (s *Service) projects() api.Resource[Project] {
	return api.Resource[Project]{
		Name: "project", Path: "/projects", Owner: api.Domain, Links: true, Sort: []store.Sort{{Column: "name"}},
		Write:   policy.Admin,
		Access:  map[api.Op]string{api.OpShow: policy.DomainReader + " or project_id:%(id)s"},
		Filters: tagFilters(),
		Rows:    s.tables.projects,
		Scope: func(_ context.Context, c *api.Call) ([]store.Cond, error) {
			if c.Op == api.OpList && !c.Query().Has("is_domain") {
				return []store.Cond{store.Eq("is_domain", false)}, nil
			}
			return nil, nil
		},
		Fill:     s.fillProjects,
		Create:   s.createProject,
		Updating: s.updatingProject,
		Delete:   s.deleteProject,
		Below: []api.Below[Project]{
			{Method: http.MethodGet, Path: "/tags", Do: s.listTags},
			{Method: http.MethodPut, Path: "/tags", Do: s.replaceTags},
			{Method: http.MethodDelete, Path: "/tags", Do: s.dropTags},
			{Method: http.MethodGet, Path: "/tags/{tag}", Code: http.StatusNoContent, Do: s.hasTag},
			{Method: http.MethodHead, Path: "/tags/{tag}", Code: http.StatusNoContent, Do: s.hasTag},
			{Method: http.MethodPut, Path: "/tags/{tag}", Code: http.StatusCreated, Do: s.addTag},
			{Method: http.MethodDelete, Path: "/tags/{tag}", Do: s.dropTag},
		},
	}
}

// createProject makes a project below its parent, or a domain.
func (s *Service) createProject(ctx context.Context, c *api.Call, in *Project) (*Project, error) {
	in.Extra.clean()
	if err := in.Options.check(resourceOptions); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	if in.IsDomain {
		return s.createDomainProject(ctx, in)
	}
	if err := s.placeProject(c, in); err != nil {
		return nil, err
	}
	return in, s.change(ctx, func(tx *store.Tx) error {
		// The projects above stay as they were found until this one is there.
		if err := hold(ctx, tx, kindProject, in.parent()); err != nil {
			return err
		}
		return s.tables.projects.In(tx).Insert(ctx, in)
	}, wrote(kindProject, in.ID))
}

// createDomainProject makes the domain that a project is_domain is.
func (s *Service) createDomainProject(ctx context.Context, in *Project) (*Project, error) {
	if in.parent() != "" || in.domain() != "" {
		return nil, cloud.BadRequest("parent_id and domain_id must be absent or null of a project that is a domain")
	}
	d := &Domain{ID: in.ID, Name: in.Name, Description: in.Description, Enabled: in.Enabled, Options: in.Options, Tags: in.Tags, Extra: in.Extra}
	return in, s.change(ctx, func(tx *store.Tx) error { return s.insertDomain(ctx, tx, d) }, wrote(kindDomain, d.ID))
}

// maxDepth is how many projects may be above each other in a domain
// (Keystone's default).
const maxDepth = 5

// placeProject finds domain and parent of a new project.
func (s *Service) placeProject(c *api.Call, in *Project) error {
	snap := s.now.Load()
	parent := snap.projects.at(in.parent())
	if in.parent() != "" && parent == nil {
		return cloud.NotFound("Could not find project: %s.", in.parent())
	}
	domain := in.domain()
	if parent != nil && domain == "" {
		domain = parent.domain()
	}
	if err := s.inDomain(c, &domain); err != nil {
		return err
	}
	in.DomainID = &domain
	if parent == nil {
		in.ParentID = &domain
		return nil
	}
	switch above := snap.above(parent.ID); {
	case parent.domain() != domain:
		return cloud.BadRequest("domain_id is %s; allowed: the domain %s of the parent", domain, parent.domain())
	case len(above) >= maxDepth:
		return cloud.Forbidden("Max hierarchy depth reached for %s branch.", parent.ID)
	default:
		for _, p := range append(above, parent) {
			if !p.Enabled && in.Enabled {
				return cloud.Forbidden("Cannot create project in branch containing disabled project %s.", p.ID)
			}
		}
		return nil
	}
}

// updatingProject keeps what is enabled below what is enabled, and the domain
// as its project is.
func (s *Service) updatingProject(ctx context.Context, tx *store.Tx, c *api.Call, old, changed *Project) error {
	changed.Extra.clean()
	if err := updateOptions(c, old.Options, &changed.Options, resourceOptions, "project", old.ID); err != nil {
		return err
	}
	if err := checkTags(changed.Tags); err != nil {
		return err
	}
	if changed.IsDomain {
		if err := s.tables.domains.In(tx).Update(ctx, domainOf(changed)); err != nil {
			return err
		}
		return s.touch(ctx, tx, wrote(kindDomain, changed.ID))
	}
	snap := s.now.Load()
	if old.Enabled && !changed.Enabled {
		for _, below := range snap.below(old.ID) {
			if below.Enabled {
				return cloud.Forbidden("Cannot disable project %s since its subtree contains enabled projects.", old.ID)
			}
		}
	}
	if !old.Enabled && changed.Enabled {
		for _, above := range snap.above(old.ID) {
			if !above.Enabled {
				return cloud.Forbidden("Cannot enable project %s since it has disabled parents.", old.ID)
			}
		}
	}
	return s.touch(ctx, tx, wrote(kindProject, changed.ID))
}

// deleteProject deletes a project that has none below it, or a domain with all
// that is in it.
func (s *Service) deleteProject(ctx context.Context, _ *api.Call, p *Project) error {
	if err := p.Options.mayDelete("project", p.ID); err != nil {
		return err
	}
	if p.IsDomain {
		return s.change(ctx, func(tx *store.Tx) error { return s.dropDomain(ctx, tx, domainOf(p)) }, gone(kindDomain, p.ID))
	}
	return s.change(ctx, func(tx *store.Tx) error {
		// The row is held, so that none is put below it meanwhile.
		if _, err := s.tables.projects.In(tx).Lock(ctx, p.ID); err != nil {
			return err
		}
		n, err := s.tables.projects.In(tx).Count(ctx, store.Eq("parent_id", p.ID))
		if err != nil {
			return err
		}
		if n > 0 {
			return cloud.Forbidden("Cannot delete the project %s since it is not a leaf in the hierarchy.", p.ID)
		}
		if err := s.dropTarget(ctx, tx, target{"project", p.ID}); err != nil {
			return err
		}
		_, err = s.tables.projects.In(tx).Delete(ctx, store.Eq("id", p.ID))
		return err
	}, gone(kindProject, p.ID))
}

// fillProjects shows a domain as being in none, and the parents and the
// subtree that the query of a show asks for.
func (s *Service) fillProjects(_ context.Context, c *api.Call, rows []*Project) error {
	for _, p := range rows {
		p.hideDomain()
	}
	if c.Op != api.OpShow {
		return nil
	}
	return s.now.Load().addTrees(c, rows[0])
}

func (p *Project) hideDomain() {
	if p.IsDomain {
		p.DomainID, p.ParentID = nil, nil
	}
}

// projectObject is a project as lists that are no resource show it.
func projectObject(c *api.Call, p *Project) any {
	row := *p
	row.hideDomain()
	o, err := c.Entry(&row, "/projects/"+row.ID)
	if err != nil { // only if the tags of Project are wrong
		c.Log.Error("identity: cannot show a project", "error", err)
	}
	return o
}
