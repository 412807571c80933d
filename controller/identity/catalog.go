package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"sort"
	"strings"
)

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

// An entry is a service of the catalog with its endpoints, all enabled.
type entry struct {
	service   *service
	endpoints []*endpoint
}

// A viewer is who looks at the catalog, and from where.
type viewer struct{ host, project, user string }

// catalog is what tokens carry and GET /auth/catalog answers: endpoints whose
// address needs a project are left out where there is none, and a project
// that was given parts of the catalog sees these only.
func (n *snapshot) catalog(v viewer) []any {
	list := []any{}
	parts := n.catalogParts[v.project]
	for i := range n.entries {
		e := &n.entries[i]
		endpoints := []any{}
		for _, p := range e.endpoints {
			if parts != nil && !parts[p.ID] {
				continue
			}
			if url, ok := p.address(v); ok {
				endpoints = append(endpoints, map[string]any{
					"id": p.ID, "interface": p.Interface, "region": p.RegionID, "region_id": p.RegionID, "url": url,
				})
			}
		}
		if len(endpoints) > 0 {
			list = append(list, map[string]any{"id": e.service.ID, "type": e.service.Type, "name": e.service.Name, "endpoints": endpoints})
		}
	}
	return list
}

// address is an endpoint's URL for a viewer; not ok if it cannot be told.
func (p *endpoint) address(v viewer) (url string, ok bool) {
	if p.Own {
		return v.host + p.URL, true
	}
	url = p.URL
	for name, value := range map[string]string{"project_id": v.project, "tenant_id": v.project, "user_id": v.user} {
		for _, mark := range []string{"$(" + name + ")s", "%(" + name + ")s"} {
			if !strings.Contains(url, mark) {
				continue
			}
			if value == "" {
				return "", false
			}
			url = strings.ReplaceAll(url, mark, value)
		}
	}
	return url, true
}

// indexCatalog joins services and endpoints, and works out which of them the
// projects see that were given parts.
func (n *snapshot) indexCatalog(services []service, endpoints []endpoint, groups []endpointGroup, parts []catalogPart) {
	sort.Slice(endpoints, func(i, j int) bool { // public first
		a, b := &endpoints[i], &endpoints[j]
		return a.Interface > b.Interface || a.Interface == b.Interface && a.ID < b.ID
	})
	byService := map[string][]*endpoint{}
	for i := range endpoints {
		if endpoints[i].Enabled {
			byService[endpoints[i].ServiceID] = append(byService[endpoints[i].ServiceID], &endpoints[i])
		}
	}
	for i := range services {
		if s := &services[i]; s.Enabled {
			n.entries = append(n.entries, entry{s, byService[s.ID]})
		}
	}
	sort.Slice(n.entries, func(i, j int) bool {
		a, b := n.entries[i].service, n.entries[j].service
		return a.Type < b.Type || a.Type == b.Type && a.ID < b.ID
	})
	grouped := map[string]*endpointGroup{}
	for i := range groups {
		grouped[groups[i].ID] = &groups[i]
	}
	n.catalogParts = map[string]map[string]bool{}
	for _, p := range parts {
		if n.catalogParts[p.ProjectID] == nil {
			n.catalogParts[p.ProjectID] = map[string]bool{}
		}
		seen := n.catalogParts[p.ProjectID]
		if p.Kind == partEndpoint {
			seen[p.PartID] = true
			continue
		}
		g := grouped[p.PartID]
		for i := range endpoints {
			if g != nil && g.takes(&endpoints[i]) {
				seen[endpoints[i].ID] = true
			}
		}
	}
}
