package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
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
	parts := n.endpointsOf(v.project)
	for i := range n.offered.entries {
		e := &n.offered.entries[i]
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

// An offer is what the catalog has for those who see all of it.
type offer struct {
	entries   []entry // sorted by type
	endpoints []endpoint
	groups    map[string]*endpointGroup
}

// offerOf joins services and endpoints.
func offerOf(services []service, endpoints []endpoint, groups []endpointGroup) offer {
	sort.Slice(endpoints, func(i, j int) bool { // public first
		a, b := &endpoints[i], &endpoints[j]
		return a.Interface > b.Interface || a.Interface == b.Interface && a.ID < b.ID
	})
	o := offer{endpoints: endpoints, groups: map[string]*endpointGroup{}}
	byService := map[string][]*endpoint{}
	for i := range endpoints {
		if endpoints[i].Enabled {
			byService[endpoints[i].ServiceID] = append(byService[endpoints[i].ServiceID], &endpoints[i])
		}
	}
	for i := range services {
		if s := &services[i]; s.Enabled {
			o.entries = append(o.entries, entry{s, byService[s.ID]})
		}
	}
	sort.Slice(o.entries, func(i, j int) bool {
		a, b := o.entries[i].service, o.entries[j].service
		return a.Type < b.Type || a.Type == b.Type && a.ID < b.ID
	})
	for i := range groups {
		o.groups[groups[i].ID] = &groups[i]
	}
	return o
}

// partsGiven are the parts of the catalog that a project was given.
func (n *snapshot) partsGiven(project string) iter.Seq[catalogPart] {
	return n.catalogParts.within(func(p catalogPart) int { return strings.Compare(p.ProjectID, project) })
}

// endpointsOf are the ids of the endpoints that a project sees by what it was
// given; nil if it was given nothing and sees all.
func (n *snapshot) endpointsOf(project string) map[string]bool {
	var seen map[string]bool
	for p := range n.partsGiven(project) {
		if seen == nil {
			seen = map[string]bool{}
		}
		if p.Kind == partEndpoint {
			seen[p.PartID] = true
			continue
		}
		g := n.offered.groups[p.PartID]
		for i := range n.offered.endpoints {
			if e := &n.offered.endpoints[i]; g != nil && g.takes(e) {
				seen[e.ID] = true
			}
		}
	}
	return seen
}

// dropPart takes a part of the catalog away from every project.
func (e *edit) dropPart(kind, id string) {
	for _, p := range slices.Collect(e.catalogParts.all()) {
		if p.Kind == kind && p.PartID == id {
			e.catalogParts.drop(e.by, p)
		}
	}
}
