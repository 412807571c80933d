package metadata

import (
	"encoding/json"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/node/spec"
)

func handlerFor(address string) func(method, path, from string) (int, string) {
	h := Handler(func(a netip.Addr) (Guest, bool) {
		return Guest{
			Metadata: spec.Metadata{
				ServerID: "s1", ProjectID: "p1", Name: "web", HostName: "web.example.org", AvailabilityZone: "nova",
				Keys: map[string]string{"laptop": "ssh-ed25519 AAAA"}, Meta: map[string]string{"tier": "front"}, UserData: []byte("#!/bin/sh\n"),
			},
			Ports: []spec.Port{{
				ID: "aaaaaaaa-bbbb", NetworkID: "n1", MAC: "fa:16:3e:00:00:01", MTU: 1450,
				Addresses: []spec.Address{{Address: netip.MustParseAddr("10.0.0.5"), Bits: 24}, {Address: netip.MustParseAddr("2001:db8::5"), Bits: 64, Gateway: netip.MustParseAddr("2001:db8::1")}},
				DHCP:      &spec.DHCPOption{DNS: []netip.Addr{netip.MustParseAddr("192.0.2.53")}},
			}},
		}, a == netip.MustParseAddr(address)
	})
	return func(method, path, from string) (int, string) {
		r := httptest.NewRequest(method, "http://169.254.169.254/", nil)
		r.URL.Path, r.RemoteAddr = path, from+":1234"
		r.Header.Set("X-Forwarded-For", address)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
}

func TestDocuments(t *testing.T) {
	get := handlerFor("10.0.0.5")
	for path, want := range map[string]string{
		"/latest":                                         "meta-data/\nuser-data",
		"/latest/meta-data/hostname":                      "web.example.org",
		"/2009-04-04/meta-data/instance-id":               "s1",
		"/latest/meta-data/local-ipv4":                    "10.0.0.5",
		"/latest/meta-data/public-keys/":                  "0=laptop",
		"/latest/meta-data/public-keys/0/":                "openssh-key",
		"/latest/meta-data/public-keys/0/openssh-key":     "ssh-ed25519 AAAA",
		"/latest/meta-data/placement/availability-zone":   "nova",
		"/latest/user-data":                               "#!/bin/sh\n",
		"/openstack/latest/user_data":                     "#!/bin/sh\n",
		"/openstack/latest/vendor_data.json":              "{}",
		"/openstack/latest":                               "meta_data.json\nvendor_data.json\nnetwork_data.json\nvendor_data2.json\nuser_data",
		"/openstack/latest/../latest/./vendor_data2.json": "{}",
	} {
		if code, got := get("GET", path, "10.0.0.5"); code != 200 || got != want {
			t.Errorf("%s: got %d %q, want %q", path, code, got, want)
		}
	}
	for _, path := range []string{"/openstack/2099-01-01/meta_data.json", "/etc/passwd", "/latest/meta-data/public-keys/1/openssh-key", "/openstack/latest/meta_data.json/x"} {
		if code, _ := get("GET", path, "10.0.0.5"); code != 404 {
			t.Errorf("%s: got %d, want 404", path, code)
		}
	}
	if code, body := get("GET", "/latest/meta-data/hostname", "10.0.0.6"); code != 404 || strings.Contains(body, "web") {
		t.Errorf("another's question: got %d %q", code, body)
	}
	if code, _ := get("POST", "/latest/meta-data/hostname", "10.0.0.5"); code != 405 {
		t.Errorf("POST: got %d, want 405", code)
	}
}

func TestJSON(t *testing.T) {
	get := handlerFor("10.0.0.5")
	read := func(path string) map[string]any {
		_, body := get("GET", path, "10.0.0.5")
		var doc map[string]any
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	doc := read("/openstack/latest/meta_data.json")
	delete(doc, "random_seed")
	want := map[string]any{
		"uuid": "s1", "name": "web", "hostname": "web.example.org", "project_id": "p1", "availability_zone": "nova",
		"launch_index": 0.0, "devices": []any{}, "meta": map[string]any{"tier": "front"},
		"public_keys": map[string]any{"laptop": "ssh-ed25519 AAAA"},
		"keys":        []any{map[string]any{"name": "laptop", "type": "ssh", "data": "ssh-ed25519 AAAA"}},
	}
	if diff := cmp.Diff(want, doc); diff != "" {
		t.Error(diff)
	}
	want = map[string]any{
		"links": []any{map[string]any{"id": "tapaaaaaaaa-bb", "vif_id": "aaaaaaaa-bbbb", "type": "bridge", "mtu": 1450.0, "ethernet_mac_address": "fa:16:3e:00:00:01"}},
		"networks": []any{
			map[string]any{"id": "network0-0", "link": "tapaaaaaaaa-bb", "network_id": "n1", "type": "ipv4_dhcp"},
			map[string]any{"id": "network0-1", "link": "tapaaaaaaaa-bb", "network_id": "n1", "type": "ipv6", "ip_address": "2001:db8::5",
				"netmask": "ffff:ffff:ffff:ffff::", "routes": []any{map[string]any{"network": "::", "netmask": "::", "gateway": "2001:db8::1"}}},
		},
		"services": []any{map[string]any{"type": "dns", "address": "192.0.2.53"}},
	}
	if diff := cmp.Diff(want, read("/openstack/latest/network_data.json")); diff != "" {
		t.Error(diff)
	}
}
