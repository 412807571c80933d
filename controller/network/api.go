package network

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// ruleQuota lets somebody see and change the quotas of other projects.
const ruleQuota = "update_quota"

// API is the service's table of contents.
func (s *Service) API() api.Service {
	return api.Service{
		Name: "network", Path: "/network", Version: "v2.0", Dialect: api.NetworkDialect(),
		Versions: []api.VersionDocument{{ID: "v2.0", Status: "CURRENT"}},
		DB:       s.db, Quotas: s.quotas,
		Resources: []api.Description{
			s.networksResource(), s.subnetsResource(), s.portsResource(), s.groupsResource(), s.rulesResource(),
		},
		Routes: []api.Route{
			{Method: http.MethodGet, Path: "/extensions", Handle: listExtensions},
			{Method: http.MethodGet, Path: "/extensions/{alias}", Handle: showExtension},
			{Method: http.MethodGet, Path: "/quotas", Rule: ruleQuota, Handle: s.listQuotas},
			{Method: http.MethodGet, Path: "/quotas/{project}", Handle: s.showQuota},
			{Method: http.MethodGet, Path: "/quotas/{project}/default", Handle: func(_ context.Context, c *api.Call) error {
				return c.JSON(http.StatusOK, map[string]any{"quota": s.quotas.Defaults()})
			}},
			{Method: http.MethodGet, Path: "/quotas/{project}/details.json", Handle: s.detailQuota},
			{Method: http.MethodPut, Path: "/quotas/{project}", Rule: ruleQuota, Handle: s.updateQuota},
			{Method: http.MethodDelete, Path: "/quotas/{project}", Rule: ruleQuota, Handle: func(ctx context.Context, c *api.Call) error {
				if err := s.quotas.Reset(ctx, s.db, c.Param("project")); err != nil {
					return err
				}
				return c.Empty(http.StatusNoContent)
			}},
		},
		Rules: []policy.Rule{{Name: ruleQuota, Check: policy.Admin, Doc: "See and change the quotas of projects."}},
	}
}

// An extension is a part of Neutron's API that the service has.
type extension struct {
	Alias       string `json:"alias"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Updated     string `json:"updated"`
	Links       []any  `json:"links"`
}

// extensions lists what is served and nothing else: clients believe it.
func extensions() []extension {
	list := []extension{
		{Alias: "binding", Name: "Port Binding", Description: "Expose port bindings of a virtual port to external application"},
		{Alias: "net-mtu", Name: "Network MTU", Description: "Provides MTU attribute for a network resource."},
		{Alias: "pagination", Name: "Pagination support", Description: "Extension that indicates that pagination is enabled."},
		{Alias: "port-security", Name: "Port Security", Description: "Provides port security"},
		{Alias: "project-id", Name: "project_id field enabled", Description: "Extension that indicates that project_id field is enabled."},
		{Alias: "provider", Name: "Provider Network", Description: "Expose mapping of virtual networks to physical networks"},
		{Alias: "quota_details", Name: "Quota details management support", Description: "Expose functions for quotas usage statistics per project"},
		{Alias: "quotas", Name: "Quota management support", Description: "Expose functions for quotas management per project"},
		{Alias: "security-group", Name: "security-group", Description: "The security groups extension."},
		{Alias: "sorting", Name: "Sorting support", Description: "Extension that indicates that sorting is enabled."},
		{Alias: "standard-attr-description", Name: "standard-attr-description", Description: "Extension to add descriptions to standard attributes"},
		{Alias: "standard-attr-revisions", Name: "Resource revision numbers", Description: "This extension will display the revision number of neutron resources."},
		{Alias: "standard-attr-timestamp", Name: "Resource timestamps", Description: "Adds created_at and updated_at fields to all Neutron resources that have Neutron standard attributes."},
	}
	for i := range list {
		list[i].Updated, list[i].Links = "2026-11-22T00:00:00-00:00", []any{}
	}
	return list
}

func listExtensions(_ context.Context, c *api.Call) error {
	return c.JSON(http.StatusOK, map[string]any{"extensions": extensions()})
}

func showExtension(_ context.Context, c *api.Call) error {
	for _, e := range extensions() {
		if e.Alias == c.Param("alias") {
			return c.JSON(http.StatusOK, map[string]any{"extension": e})
		}
	}
	return cloud.NotFound("Extension with alias %s does not exist", c.Param("alias")).Named("ExtensionNotFound")
}

// usage is the quotas of the project in the path, if the caller may see them.
func (s *Service) usage(ctx context.Context, c *api.Call, show func(limit, used int64) any) error {
	project := strings.TrimSuffix(c.Param("project"), ".json")
	if project != c.Caller.ProjectID {
		if err := c.Allow(ruleQuota, nil); err != nil {
			return err
		}
	}
	all, err := s.quotas.Usage(ctx, s.db, project)
	if err != nil {
		return err
	}
	out := map[string]any{}
	for name, u := range all {
		out[name] = show(u.Limit, u.InUse)
	}
	return c.JSON(http.StatusOK, map[string]any{"quota": out})
}

func (s *Service) showQuota(ctx context.Context, c *api.Call) error {
	return s.usage(ctx, c, func(limit, _ int64) any { return limit })
}

func (s *Service) detailQuota(ctx context.Context, c *api.Call) error {
	return s.usage(ctx, c, func(limit, used int64) any {
		return map[string]int64{"limit": limit, "used": used, "reserved": 0}
	})
}

// listQuotas is the projects with limits of their own.
func (s *Service) listQuotas(ctx context.Context, c *api.Call) error {
	projects, err := collect(ctx, s.db, column, "SELECT DISTINCT project_id FROM quota_limits ORDER BY project_id")
	if err != nil {
		return err
	}
	out := []any{}
	for _, p := range projects {
		all, err := s.quotas.Usage(ctx, s.db, p)
		if err != nil {
			return err
		}
		entry := map[string]any{"project_id": p, "tenant_id": p}
		for name, u := range all {
			entry[name] = u.Limit
		}
		out = append(out, entry)
	}
	return c.JSON(http.StatusOK, map[string]any{"quotas": out})
}

func (s *Service) updateQuota(ctx context.Context, c *api.Call) error {
	var in struct {
		Quota map[string]json.RawMessage `json:"quota"`
	}
	if err := c.Read(&in); err != nil {
		return err
	}
	err := s.db.Transact(ctx, func(tx *store.Tx) error {
		for name, raw := range in.Quota {
			var n int64
			if err := json.Unmarshal([]byte(strings.Trim(string(raw), `"`)), &n); err != nil || n < -1 {
				return invalidInput("'%s' is not a valid limit of %s; allowed: -1 or more.", raw, name)
			}
			if err := s.quotas.SetLimit(ctx, tx, c.Param("project"), name, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.showQuota(ctx, c)
}
