// Package metadata answers guests that ask what they are, at
// http://169.254.169.254, with the paths that Nova has: /openstack for its
// own form, /latest/meta-data for that of EC2. Who asks is known by the
// address that the question comes from, inside the guest's network.
package metadata

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-cloud/cairn/node/spec"
)

// A Guest is what there is to say to one guest.
type Guest struct {
	Metadata spec.Metadata
	Ports    []spec.Port
}

// A Lookup returns the guest with an address.
type Lookup func(netip.Addr) (Guest, bool)

// versions are the directories below /openstack; latest is the last of them.
var versions = []string{"2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27", "2020-10-14"}

// ec2Versions are the directories at the root, for EC2's form.
var ec2Versions = []string{"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04"}

const latest = "latest"

// Handler returns the server. Questions of nobody's address are not found.
func Handler(find Lookup) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			http.Error(w, "bad address", http.StatusBadRequest)
			return
		}
		g, ok := find(from.Addr().Unmap())
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		body, kind, ok := g.at(path.Clean("/" + r.URL.Path))
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		if r.Method == http.MethodGet {
			// A client that has gone away needs no answer.
			_, _ = w.Write(body)
		}
	})
}

const (
	kindText  = "text/plain; charset=UTF-8"
	kindJSON  = "application/json"
	kindBytes = "application/octet-stream"
)

// at returns the document at a clean path.
func (g Guest) at(p string) (body []byte, kind string, ok bool) {
	if p == "/" {
		return list(append(slices.Clone(ec2Versions), latest)), kindText, true
	}
	parts := strings.Split(p[1:], "/")
	if parts[0] == "openstack" {
		return g.openstack(parts[1:])
	}
	if parts[0] != latest && !slices.Contains(ec2Versions, parts[0]) {
		return nil, "", false
	}
	return g.ec2(parts[1:])
}

func list(names []string) []byte { return []byte(strings.Join(names, "\n")) }

// openstack returns a document below /openstack.
func (g Guest) openstack(parts []string) ([]byte, string, bool) {
	if len(parts) == 0 {
		return list(append(slices.Clone(versions), latest)), kindText, true
	}
	if parts[0] != latest && !slices.Contains(versions, parts[0]) {
		return nil, "", false
	}
	switch strings.Join(parts[1:], "/") {
	case "":
		names := []string{"meta_data.json", "vendor_data.json", "network_data.json", "vendor_data2.json"}
		if len(g.Metadata.UserData) > 0 {
			names = append(names, "user_data")
		}
		return list(names), kindText, true
	case "meta_data.json":
		return asJSON(g.metaData())
	case "network_data.json":
		return asJSON(g.networkData())
	case "vendor_data.json", "vendor_data2.json":
		return asJSON(map[string]any{})
	case "user_data":
		return g.Metadata.UserData, kindBytes, len(g.Metadata.UserData) > 0
	}
	return nil, "", false
}

func asJSON(v any) ([]byte, string, bool) {
	b, err := json.Marshal(v)
	return b, kindJSON, err == nil
}

// metaData is meta_data.json.
func (g Guest) metaData() map[string]any {
	m := g.Metadata
	type key struct {
		Name string `json:"name"`
		Type string `json:"type"`
		Data string `json:"data"`
	}
	doc := map[string]any{
		"uuid": m.ServerID, "name": m.Name, "hostname": m.HostName, "project_id": m.ProjectID,
		"availability_zone": m.AvailabilityZone, "launch_index": 0, "devices": []any{},
		"random_seed": base64.StdEncoding.EncodeToString(seed()),
	}
	if len(m.Keys) > 0 {
		var keys []key
		for _, name := range sorted(m.Keys) {
			keys = append(keys, key{Name: name, Type: "ssh", Data: m.Keys[name]})
		}
		doc["public_keys"], doc["keys"] = m.Keys, keys
	}
	if len(m.Meta) > 0 {
		doc["meta"] = m.Meta
	}
	return doc
}

func sorted(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// networkData is network_data.json.
func (g Guest) networkData() map[string]any {
	links, networks, services := []any{}, []any{}, []any{}
	seen := map[netip.Addr]bool{}
	for i := range g.Ports {
		p := &g.Ports[i]
		links = append(links, map[string]any{
			"id": p.TapName(), "vif_id": p.ID, "type": "bridge", "mtu": p.MTU, "ethernet_mac_address": p.MAC,
		})
		for n, a := range p.Addresses {
			networks = append(networks, network(p, a, fmt.Sprintf("network%d-%d", i, n)))
		}
		if p.DHCP == nil {
			continue
		}
		for _, dns := range p.DHCP.DNS {
			if !seen[dns] {
				seen[dns] = true
				services = append(services, map[string]any{"type": "dns", "address": dns.String()})
			}
		}
	}
	return map[string]any{"links": links, "networks": networks, "services": services}
}

func network(p *spec.Port, a spec.Address, id string) map[string]any {
	family, zero, mask := "ipv4", "0.0.0.0", maskOf(a)
	if a.Address.Is6() {
		family, zero = "ipv6", "::"
	}
	n := map[string]any{"id": id, "link": p.TapName(), "network_id": p.NetworkID}
	if p.DHCP != nil && a.Address.Is4() {
		n["type"] = family + "_dhcp"
		return n
	}
	n["type"], n["ip_address"], n["netmask"] = family, a.Address.String(), mask
	routes := []any{}
	if a.Gateway.IsValid() {
		routes = append(routes, map[string]any{"network": zero, "netmask": zero, "gateway": a.Gateway.String()})
	}
	n["routes"] = routes
	return n
}

// maskOf is the prefix length as a mask.
func maskOf(a spec.Address) string {
	ones := [16]byte{}
	for i := range a.Bits {
		ones[i/8] |= 0x80 >> (i % 8)
	}
	if a.Address.Is4() {
		return netip.AddrFrom4([4]byte(ones[:4])).String()
	}
	return netip.AddrFrom16(ones).String()
}
