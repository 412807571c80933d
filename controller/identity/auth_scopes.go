package identity

import (
	"context"
	"net/http"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
)

// The rules of /auth. The subject of a token is its user.
const (
	ruleAuthProjects = "identity:get_auth_projects"
	ruleAuthDomains  = "identity:get_auth_domains"
	ruleAuthSystem   = "identity:get_auth_system"
	ruleAuthCatalog  = "identity:get_auth_catalog"
	ruleValidate     = "identity:validate_token"
	ruleCheck        = "identity:check_token"
	ruleRevoke       = "identity:revoke_token"
)

func tokenRules() []policy.Rule {
	const read = "role:admin or role:service or (role:reader and system_scope:all) or user_id:%(user_id)s"
	return []policy.Rule{
		{Name: ruleAuthProjects, Check: policy.Anyone, Doc: "the projects that the caller may have a token for"},
		{Name: ruleAuthDomains, Check: policy.Anyone, Doc: "the domains that the caller may have a token for"},
		{Name: ruleAuthSystem, Check: policy.Anyone, Doc: "whether the caller may have a token for the system"},
		{Name: ruleAuthCatalog, Check: policy.Anyone, Doc: "the catalog of the caller's project"},
		{Name: ruleValidate, Check: read, Doc: "what a token says"},
		{Name: ruleCheck, Check: read, Doc: "whether a token is valid"},
		{Name: ruleRevoke, Check: policy.Self, Doc: "giving a token back"},
	}
}

// scopeRoutes say what the caller may have a token for.
func (s *Service) scopeRoutes() []api.Route {
	var routes []api.Route
	for _, r := range []api.Route{
		get("/auth/projects", ruleAuthProjects, s.authProjects), get("/auth/domains", ruleAuthDomains, s.authDomains),
		get("/auth/system", ruleAuthSystem, s.authSystem), get("/auth/catalog", ruleAuthCatalog, s.authCatalog),
	} {
		head := r
		head.Method = http.MethodHead
		routes = append(routes, r, head)
	}
	return routes
}

// authProjects lists the projects on which the caller has a role.
func (s *Service) authProjects(_ context.Context, c *api.Call) error {
	list, err := s.projectsOf(c, c.Caller.UserID, s.groupsOfCaller(c)...)
	return answer(c, list, err)
}

// authDomains lists the domains on which the caller has a role.
func (s *Service) authDomains(_ context.Context, c *api.Call) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	snap := s.now.Load()
	ids := slices.Values(snap.targetsOf(c.Caller.UserID, "domain", s.groupsOfCaller(c)...))
	return c.JSON(http.StatusOK, body(c, p, "domains", byID(ids, snap.domains.at), func(d *Domain) any {
		if !d.Enabled {
			return nil
		}
		return map[string]any{
			"id": d.ID, "name": d.Name, "description": d.Description, "enabled": true, "links": self(c, "/domains/"+d.ID),
		}
	}))
}

// authSystem tells whether the caller has a role on the system.
func (s *Service) authSystem(_ context.Context, c *api.Call) error {
	system := []any{}
	if len(s.now.Load().targetsOf(c.Caller.UserID, "system", s.groupsOfCaller(c)...)) > 0 {
		system = append(system, map[string]bool{"all": true})
	}
	return c.JSON(http.StatusOK, map[string]any{"system": system, "links": self(c, "/auth/system")})
}

// authCatalog shows the catalog of the token's project.
func (s *Service) authCatalog(_ context.Context, c *api.Call) error {
	if c.Caller.ProjectID == "" {
		return cloud.Forbidden("The token has no project; a catalog is that of one.")
	}
	at := viewer{c.Host(), c.Caller.ProjectID, c.Caller.UserID}
	return c.JSON(http.StatusOK, map[string]any{"catalog": s.now.Load().catalog(at), "links": self(c, "/auth/catalog")})
}
