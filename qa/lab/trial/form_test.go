package trial

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChoose(t *testing.T) {
	fast, slow := Hypervisor{"a", "kvm", "it ran"}, Hypervisor{"b", "tcg", "this machine has no /dev/kvm"}
	for _, c := range []struct {
		hosts []Hypervisor
		wish  string
		form  Form
		why   string
	}{
		{[]Hypervisor{fast, fast}, WishAuto, AllQEMU, "QEMU uses KVM on all hosts: it ran"},
		{[]Hypervisor{fast, slow}, WishAuto, OneQEMU, "QEMU on b uses TCG: this machine has no /dev/kvm"},
		{[]Hypervisor{slow}, WishQEMU, AllQEMU, "as wished"},
		{nil, WishAuto, OneQEMU, "no host says how QEMU runs guests"},
	} {
		if form, why := Choose(c.hosts, c.wish); form != c.form || why != c.why {
			t.Errorf("%+v, %s: got %s: %s, want %s: %s", c.hosts, c.wish, form, why, c.form, c.why)
		}
	}
}

// In both forms there are the same servers, made of other images.
func TestPlans(t *testing.T) {
	type row struct{ Name, Project, Image, Address, Ping, Tagged string }
	plan := func(f Form) []row {
		tr := New(Login{}, "", f)
		tr.one.vlan = "100"
		var rows []row
		for _, s := range tr.plan() {
			rows = append(rows, row{s.name, s.side.name, s.image, address(s.last), s.meta["ping"], s.meta["tagged"]})
		}
		return rows
	}
	const a, b, c, d = "192.168.50.11", "192.168.50.12", "192.168.50.13", "192.168.50.21"
	for form, want := range map[Form][]row{
		OneQEMU: {
			{"qemu-1", "one", "guest", a, "", ""}, {"lxc-1", "one", "guest-lxc", b, c + "," + d, ""},
			{"lxc-2", "one", "guest-lxc", c, b, ""}, {"lxc-3", "two", "guest-lxc", d, b + "," + c, "100:" + b},
		},
		AllQEMU: {
			{"qemu-1", "one", "guest", a, "", ""}, {"qemu-2", "one", "guest", b, c + "," + d, ""},
			{"qemu-3", "one", "guest", c, b, ""}, {"qemu-4", "two", "guest", d, b + "," + c, "100:" + b},
		},
	} {
		if diff := cmp.Diff(want, plan(form)); diff != "" {
			t.Errorf("%s:\n%s", form, diff)
		}
	}
}

func TestPartsNameWhatTheServersAre(t *testing.T) {
	for form, want := range map[Form]string{
		OneQEMU: "containers have address and metadata", AllQEMU: "the other QEMU guests have address and metadata",
	} {
		var all []string
		for _, p := range New(Login{}, "", form).Parts() {
			all = append(all, p.What)
		}
		if text := strings.Join(all, "\n"); !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("%s: no part is called %q:\n%s", form, want, text)
		}
	}
}

func TestHypervisorsAreRead(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("POST /identity/v3/auth/tokens", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Subject-Token", "secret")
		w.WriteHeader(http.StatusCreated)
		if _, err := w.Write([]byte(`{"token": {"expires_at": "2099-01-01T00:00:00.000000Z"}}`)); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("GET /cluster/v1/nodes", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Auth-Token") != "secret" {
			t.Error("the request has no token")
		}
		if _, err := w.Write([]byte(`{"nodes": [
			{"name": "controller", "hypervisors": []},
			{"name": "b", "hypervisors": [{"driver": "lxc"}, {"driver": "qemu", "accel": "tcg", "reason": "so"}]},
			{"name": "a", "hypervisors": [{"driver": "qemu", "accel": "kvm", "reason": "it ran"}]}]}`)); err != nil {
			t.Error(err)
		}
	})
	got, err := Hypervisors(t.Context(), Login{URL: server.URL + "/identity/v3", User: "u", Password: "p", Project: "admin", Domain: "Default", HTTP: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Hypervisor{{"a", "kvm", "it ran"}, {"b", "tcg", "so"}}, got); diff != "" {
		t.Error(diff)
	}
}
