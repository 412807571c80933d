package compute

import (
	"context"
	"net/http"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/spec"
)

// routes is what is no resource with rows of its own.
func (s *Service) routes() []api.Route {
	get := func(path, rule string, h func(context.Context, *api.Call) error) api.Route {
		return api.Route{Method: http.MethodGet, Path: path, Rule: rule, Handle: h}
	}
	return append([]api.Route{
		get("/os-hypervisors", ruleHypervisors, s.listHypervisors),
		get("/os-hypervisors/detail", ruleHypervisors, s.listHypervisors),
		get("/os-hypervisors/statistics", ruleHypervisors, s.statistics),
		get("/os-hypervisors/{id}", ruleHypervisors, s.showHypervisor),
		get("/os-services", ruleServices, s.listServices),
		{Method: http.MethodPut, Path: "/os-services/enable", Rule: ruleServices, Handle: s.switchService(false)},
		{Method: http.MethodPut, Path: "/os-services/disable", Rule: ruleServices, Handle: s.switchService(true)},
		{Method: http.MethodPut, Path: "/os-services/disable-log-reason", Rule: ruleServices, Handle: s.switchService(true)},
		get("/os-availability-zone", "", s.listZones),
		get("/os-availability-zone/detail", ruleHypervisors, s.listZones),
		get("/extensions", "", func(_ context.Context, c *api.Call) error {
			return c.JSON(http.StatusOK, map[string]any{"extensions": []any{}})
		}),
		get("/limits", "", s.limits),
	}, s.quotaRoutes()...)
}

// listHypervisors is GET /os-hypervisors and /os-hypervisors/detail.
func (s *Service) listHypervisors(ctx context.Context, c *api.Call) error {
	all, err := s.hypervisors(ctx, c)
	if err != nil {
		return err
	}
	if c.Request().URL.Path[len(c.Request().URL.Path)-6:] != "detail" {
		for i, h := range all {
			all[i] = map[string]any{}
			for _, key := range []string{"id", "hypervisor_hostname", "state", "status"} {
				all[i][key] = h[key]
			}
		}
	}
	return c.JSON(http.StatusOK, map[string]any{"hypervisors": all})
}

// showHypervisor is GET /os-hypervisors/{id}.
func (s *Service) showHypervisor(ctx context.Context, c *api.Call) error {
	all, err := s.hypervisors(ctx, c)
	if err != nil {
		return err
	}
	for _, h := range all {
		if h["id"] == c.Param("id") || h["hypervisor_hostname"] == c.Param("id") {
			return c.JSON(http.StatusOK, map[string]any{"hypervisor": h})
		}
	}
	return cloud.NotFound("Compute host %s could not be found.", c.Param("id"))
}

// hypervisors is every host as Nova shows it.
func (s *Service) hypervisors(ctx context.Context, c *api.Call) ([]map[string]any, error) {
	hosts, used, disabled, err := s.hostTables(ctx)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, h := range hosts {
		u := used[h.ID]
		service := map[string]any{"host": h.Name, "id": h.ID, "disabled_reason": nil}
		status := "enabled"
		if d, ok := disabled[h.ID]; ok {
			status, service["disabled_reason"] = "disabled", d.Reason
		}
		kind := "QEMU"
		if len(h.Hypervisors) > 0 && !slices.ContainsFunc(h.Hypervisors, func(v spec.Hypervisor) bool { return v.Driver == spec.DriverQEMU }) {
			kind = "LXC"
		}
		var cpu any = "{}"
		if c.Since("2.28") {
			cpu = map[string]any{}
		}
		out = append(out, map[string]any{
			"id": h.ID, "hypervisor_hostname": h.Name, "state": upDown(h.Ready), "status": status, "service": service,
			"hypervisor_type": kind, "hypervisor_version": 1000000, "host_ip": h.Address.String(), "cpu_info": cpu,
			"vcpus": h.VCPUs, "vcpus_used": u.VCPUs, "memory_mb": h.MemoryMiB, "memory_mb_used": u.MemoryMiB,
			"free_ram_mb": h.MemoryMiB - u.MemoryMiB, "local_gb": h.DiskGiB, "local_gb_used": u.DiskGiB,
			"free_disk_gb": h.DiskGiB - u.DiskGiB, "disk_available_least": h.DiskGiB - u.DiskGiB,
			"running_vms": u.Servers, "current_workload": 0,
		})
	}
	return out, nil
}

// hostTables reads everything that is known of hosts.
func (s *Service) hostTables(ctx context.Context) ([]Host, map[string]promise, map[string]disabledHost, error) {
	hosts, err := s.hosts.Hosts(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	used, err := s.usage(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	disabled, err := s.disabledHosts(ctx)
	return hosts, used, disabled, err
}

// statistics is GET /os-hypervisors/statistics: the sum over all hosts.
func (s *Service) statistics(ctx context.Context, c *api.Call) error {
	all, err := s.hypervisors(ctx, c)
	if err != nil {
		return err
	}
	sum := map[string]int{"count": len(all)}
	for _, key := range []string{
		"vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "free_ram_mb", "local_gb", "local_gb_used",
		"free_disk_gb", "disk_available_least", "running_vms", "current_workload",
	} {
		sum[key] = 0
		for _, h := range all {
			n, _ := h[key].(int)
			sum[key] += n
		}
	}
	return c.JSON(http.StatusOK, map[string]any{"hypervisor_statistics": sum})
}

// listServices is GET /os-services: one service on each host.
func (s *Service) listServices(ctx context.Context, c *api.Call) error {
	hosts, _, disabled, err := s.hostTables(ctx)
	if err != nil {
		return err
	}
	out := []map[string]any{}
	for _, h := range hosts {
		if name := c.Query().Get("host"); name != "" && name != h.Name {
			continue
		}
		if binary := c.Query().Get("binary"); binary != "" && binary != serviceBinary {
			continue
		}
		v := map[string]any{
			"id": h.ID, "binary": serviceBinary, "host": h.Name, "zone": zoneName, "status": "enabled",
			"state": upDown(h.Ready), "updated_at": h.HeardAt.Format("2006-01-02T15:04:05.000000"), "disabled_reason": nil,
		}
		if d, ok := disabled[h.ID]; ok {
			v["status"], v["disabled_reason"] = "disabled", emptyNil(d.Reason)
		}
		if c.Since("2.11") {
			v["forced_down"] = false
		}
		out = append(out, v)
	}
	return c.JSON(http.StatusOK, map[string]any{"services": out})
}

// serviceBinary is what clients know the service on each host as.
const serviceBinary = "nova-compute"

// switchService is PUT /os-services/enable and /disable.
func (s *Service) switchService(off bool) func(context.Context, *api.Call) error {
	return func(ctx context.Context, c *api.Call) error {
		var in struct {
			Host   string `json:"host"`
			Binary string `json:"binary"`
			Reason string `json:"disabled_reason"`
		}
		if err := c.Read(&in); err != nil {
			return err
		}
		hosts, err := s.hosts.Hosts(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(hosts, func(h Host) bool { return h.Name == in.Host })
		if i < 0 || in.Binary != serviceBinary {
			return cloud.NotFound("Could not find binary %s on host %s.", in.Binary, in.Host)
		}
		if _, err := s.disabled.Delete(ctx, store.Eq("node_id", hosts[i].ID)); err != nil {
			return err
		}
		answer := map[string]any{"host": in.Host, "binary": in.Binary, "status": "enabled"}
		if off {
			answer["status"] = "disabled"
			if in.Reason != "" {
				answer["disabled_reason"] = in.Reason
			}
			if err := s.disabled.Insert(ctx, &disabledHost{NodeID: hosts[i].ID, Reason: in.Reason, UpdatedAt: s.clock()}); err != nil {
				return err
			}
		}
		return c.JSON(http.StatusOK, map[string]any{"service": answer})
	}
}

// listZones is GET /os-availability-zone and, with hosts, .../detail.
func (s *Service) listZones(ctx context.Context, c *api.Call) error {
	zone := map[string]any{"zoneName": zoneName, "zoneState": map[string]bool{"available": true}, "hosts": nil}
	if c.Request().URL.Path[len(c.Request().URL.Path)-6:] == "detail" {
		hosts, err := s.hosts.Hosts(ctx)
		if err != nil {
			return err
		}
		byName := map[string]any{}
		for _, h := range hosts {
			byName[h.Name] = map[string]any{serviceBinary: map[string]any{
				"available": h.Ready, "active": true, "updated_at": h.HeardAt.Format("2006-01-02T15:04:05.000000"),
			}}
		}
		zone["hosts"] = byName
	}
	return c.JSON(http.StatusOK, map[string]any{"availabilityZoneInfo": []any{zone}})
}

func upDown(up bool) string {
	if up {
		return "up"
	}
	return "down"
}
