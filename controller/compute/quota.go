package compute

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// quotaRoutes is /os-quota-sets and /os-quota-class-sets.
func (s *Service) quotaRoutes() []api.Route {
	route := func(method, path, rule string, h func(context.Context, *api.Call) error) api.Route {
		return api.Route{Method: method, Path: "/os-quota-sets/{project}" + path, Rule: rule, Handle: h}
	}
	return []api.Route{
		route(http.MethodGet, "", "", s.showQuota),
		route(http.MethodGet, "/detail", "", s.detailQuota),
		route(http.MethodGet, "/defaults", "", func(_ context.Context, c *api.Call) error {
			return c.JSON(http.StatusOK, map[string]any{"quota_set": s.quotaSet(c, c.Param("project"), s.quotas.Defaults())})
		}),
		route(http.MethodPut, "", ruleQuotaUpdate, s.updateQuota),
		route(http.MethodDelete, "", ruleQuotaUpdate, func(ctx context.Context, c *api.Call) error {
			if err := s.quotas.Reset(ctx, s.db, c.Param("project")); err != nil {
				return err
			}
			return c.Empty(http.StatusAccepted)
		}),
	}
}

// quotaSet is limits in the form of the API; from 2.36 on the names of the
// network's resources are gone.
func (s *Service) quotaSet(c *api.Call, project string, limits map[string]int64) map[string]any {
	out := map[string]any{}
	for name, limit := range limits {
		networks := strings.HasPrefix(name, "fixed_") || strings.HasPrefix(name, "floating_") || strings.HasPrefix(name, "security_")
		if !networks || !c.Since("2.36") {
			out[name] = limit
		}
	}
	if project != "" {
		out["id"] = project
	}
	return out
}

func (s *Service) mayRead(c *api.Call) error {
	if !c.Caller.IsAdmin && c.Param("project") != c.Caller.ProjectID {
		return cloud.Forbidden("Policy doesn't allow os_compute_api:os-quota-sets:show to be performed.")
	}
	return nil
}

func (s *Service) showQuota(ctx context.Context, c *api.Call) error {
	set, _, err := s.readQuota(ctx, c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"quota_set": set})
}

func (s *Service) detailQuota(ctx context.Context, c *api.Call) error {
	set, usage, err := s.readQuota(ctx, c)
	if err != nil {
		return err
	}
	for name, u := range usage {
		if _, ok := set[name]; ok {
			set[name] = map[string]int64{"limit": u.Limit, "in_use": u.InUse, "reserved": 0}
		}
	}
	return c.JSON(http.StatusOK, map[string]any{"quota_set": set})
}

// readQuota is the limits of the project in the path, as Nova shows them, and
// what is used of each.
func (s *Service) readQuota(ctx context.Context, c *api.Call) (map[string]any, map[string]quota.Usage, error) {
	if err := s.mayRead(c); err != nil {
		return nil, nil, err
	}
	limits, usage, err := s.limitsOf(ctx, c.Param("project"))
	if err != nil {
		return nil, nil, err
	}
	return s.quotaSet(c, c.Param("project"), limits), usage, nil
}

// limitsOf is a project's limits, and with what is used of each.
func (s *Service) limitsOf(ctx context.Context, project string) (map[string]int64, map[string]quota.Usage, error) {
	usage, err := s.quotas.Usage(ctx, s.db, project)
	if err != nil {
		return nil, nil, err
	}
	limits := map[string]int64{}
	for name, u := range usage {
		limits[name] = u.Limit
	}
	return limits, usage, nil
}

func (s *Service) updateQuota(ctx context.Context, c *api.Call) error {
	var in struct {
		Set map[string]json.RawMessage `json:"quota_set"`
	}
	if err := c.Read(&in); err != nil {
		return err
	}
	err := s.db.Transact(ctx, func(tx *store.Tx) error {
		for name, raw := range in.Set {
			if name == "force" || name == "tenant_id" {
				continue
			}
			var n int64
			if err := json.Unmarshal([]byte(strings.Trim(string(raw), `"`)), &n); err != nil || n < -1 {
				return cloud.BadRequest("Invalid input for field/attribute %s. Value: %s. Allowed: -1 or more", name, raw)
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
	limits, _, err := s.limitsOf(ctx, c.Param("project"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"quota_set": s.quotaSet(c, "", limits)})
}

// limits is GET /limits: the project's limits and usage in an older form.
func (s *Service) limits(ctx context.Context, c *api.Call) error {
	project := c.Caller.ProjectID
	if p := c.Query().Get("tenant_id"); p != "" && c.Caller.IsAdmin {
		project = p
	}
	u, err := s.quotas.Usage(ctx, s.db, project)
	if err != nil {
		return err
	}
	absolute := map[string]int64{
		"maxTotalInstances": u["instances"].Limit, "totalInstancesUsed": u["instances"].InUse,
		"maxTotalCores": u["cores"].Limit, "totalCoresUsed": u["cores"].InUse,
		"maxTotalRAMSize": u["ram"].Limit, "totalRAMUsed": u["ram"].InUse,
		"maxTotalKeypairs": u["key_pairs"].Limit, "maxServerMeta": u["metadata_items"].Limit,
		"maxServerGroups": u["server_groups"].Limit, "totalServerGroupsUsed": 0,
		"maxServerGroupMembers": u["server_group_members"].Limit,
	}
	if !c.Since("2.36") {
		absolute["maxSecurityGroups"], absolute["totalSecurityGroupsUsed"], absolute["maxSecurityGroupRules"] = -1, 0, -1
		absolute["maxTotalFloatingIps"], absolute["totalFloatingIpsUsed"] = -1, 0
	}
	if !c.Since("2.39") {
		absolute["maxImageMeta"] = 128
	}
	if !c.Since("2.57") {
		absolute["maxPersonality"], absolute["maxPersonalitySize"] = 0, 0
	}
	return c.JSON(http.StatusOK, map[string]any{"limits": map[string]any{"rate": []any{}, "absolute": absolute}})
}
