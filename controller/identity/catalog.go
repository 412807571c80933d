package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A catalog is what the cloud serves. It is not kept in the database: what
// this controller serves is what there is, at the host that the client uses.
type catalog struct {
	region    string
	endpoints []Endpoint
}

func newCatalog(region string, list []Endpoint) catalog { return catalog{region, list} }

// interfaces are the same everywhere: one port for all.
var interfaces = []string{"public", "internal", "admin"}

// entryID is an id that stays the same as long as what it names.
func entryID(words ...string) string {
	h := sha256.New()
	for _, w := range words {
		h.Write([]byte(w + "\x00"))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// token is the catalog as tokens carry it.
func (c catalog) token(host string) []any {
	list := []any{}
	for _, e := range c.endpoints {
		var endpoints []any
		for _, i := range interfaces {
			endpoints = append(endpoints, map[string]any{
				"id": entryID("endpoint", e.Type, i), "interface": i, "region": c.region, "region_id": c.region, "url": host + e.Path,
			})
		}
		list = append(list, map[string]any{"id": entryID("service", e.Type), "type": e.Type, "name": e.Name, "endpoints": endpoints})
	}
	return list
}

// catalogRoutes are /services, /endpoints and /regions, read only.
func (s *Service) catalogRoutes() []api.Route {
	var routes []api.Route
	for _, what := range []struct {
		path, one, many string
		list            func(c *api.Call) []map[string]any
	}{
		{"/services", "service", "services", s.services},
		{"/endpoints", "endpoint", "endpoints", s.endpoints},
		{"/regions", "region", "regions", s.regions},
	} {
		routes = append(routes,
			get(what.path, ruleCatalog, func(_ context.Context, c *api.Call) error {
				return c.JSON(http.StatusOK, listOf(c, what.many, matching(what.list(c), c)))
			}),
			get(what.path+"/{id}", ruleCatalog, func(_ context.Context, c *api.Call) error {
				for _, e := range what.list(c) {
					if e["id"] == c.Param("id") {
						return c.JSON(http.StatusOK, map[string]any{what.one: e})
					}
				}
				return cloud.NotFound("Could not find %s: %s.", what.one, c.Param("id"))
			}))
	}
	return routes
}

// matching keeps the entries that the query asks for.
func matching(list []map[string]any, c *api.Call) []any {
	kept := []any{}
	for _, e := range list {
		fits := true
		for _, key := range []string{"type", "name", "interface", "service_id", "region_id"} {
			if want := c.Query().Get(key); want != "" && e[key] != want {
				fits = false
			}
		}
		if fits {
			kept = append(kept, e)
		}
	}
	return kept
}

func (s *Service) services(c *api.Call) []map[string]any {
	var list []map[string]any
	for _, e := range s.catalog.endpoints {
		id := entryID("service", e.Type)
		list = append(list, map[string]any{"id": id, "type": e.Type, "name": e.Name, "enabled": true, "description": "", "links": self(c, "/services/"+id)})
	}
	return list
}

func (s *Service) endpoints(c *api.Call) []map[string]any {
	var list []map[string]any
	for _, e := range s.catalog.endpoints {
		for _, i := range interfaces {
			id := entryID("endpoint", e.Type, i)
			list = append(list, map[string]any{
				"id": id, "interface": i, "region": s.catalog.region, "region_id": s.catalog.region, "url": c.Host() + e.Path,
				"service_id": entryID("service", e.Type), "enabled": true, "links": self(c, "/endpoints/"+id),
			})
		}
	}
	return list
}

func (s *Service) regions(c *api.Call) []map[string]any {
	r := s.catalog.region
	return []map[string]any{{"id": r, "description": "", "parent_region_id": nil, "links": self(c, "/regions/"+r)}}
}
