package httpboot

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fabric"
	"github.com/cairn-cloud/cairn/pxe/fleet"
)

// machines is a fleet that says what it was asked, and fails as it is told.
type machines struct {
	err   error
	asked string
}

func (m *machines) say(args ...any) error {
	m.asked = strings.TrimSpace(fmt.Sprintln(args...))
	return m.err
}

func (m *machines) Inventory(ticket, id string, inv plan.Inventory) (plan.Answer, error) {
	return plan.Answer{Wait: "w"}, m.say("inventory", ticket, id, inv.CPUs)
}

func (m *machines) Plan(ticket, id string) (plan.Answer, error) {
	return plan.Answer{Refused: "r"}, m.say("plan", ticket, id)
}

func (m *machines) Progress(ticket, id string, p plan.Progress) error {
	return m.say("progress", ticket, id, p.Phase)
}

func (m *machines) Fabric(ticket, id string, r plan.FabricReport) error {
	return m.say("fabric", ticket, id, r.Round)
}

func (m *machines) Have(ticket, id string, from netip.Addr, h plan.Have) (plan.Swarm, error) {
	return plan.Swarm{First: 7}, m.say("have", ticket, id, from, h.Port, h.Bits.Count())
}

func (m *machines) Matrix() *fabric.Matrix { m.asked = "matrix"; return &fabric.Matrix{Round: 3} }

func (m *machines) Power(_ context.Context, id string, p fleet.PowerRequest) (fleet.PowerAnswer, error) {
	return fleet.PowerAnswer{State: "on"}, m.say("power", id, p.Action)
}

func (m *machines) Enrol(ticket, id string, req plan.EnrolRequest) (plan.Enrolment, error) {
	return plan.Enrolment{CA: "c"}, m.say("enrol", ticket, id, req.CSR)
}

func (m *machines) Machines() []fleet.Machine { m.asked = "list"; return []fleet.Machine{{ID: "m1"}} }

func (m *machines) Machine(id string) (fleet.Machine, error) {
	return fleet.Machine{ID: id}, m.say("show", id)
}

func (m *machines) Approve(id string) (fleet.Machine, error) {
	return fleet.Machine{ID: id}, m.say("approve", id)
}

func (m *machines) Reinstall(id string) (fleet.Machine, error) {
	return fleet.Machine{ID: id}, m.say("reinstall", id)
}

func (m *machines) Refresh(id string) (fleet.Machine, error) {
	return fleet.Machine{ID: id}, m.say("refresh", id)
}

// request builds one; cn and unit are those of a verified client certificate.
func request(method, path, body, cn, unit string) *http.Request {
	r := httptest.NewRequest(method, "https://10.20.0.11:8443"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer T")
	r.TLS = &tls.ConnectionState{}
	if cn != "" {
		cert := &x509.Certificate{Subject: pkix.Name{CommonName: cn, OrganizationalUnit: []string{unit}}}
		r.TLS.VerifiedChains = [][]*x509.Certificate{{cert}}
	}
	return r
}

func TestAPI(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		code               int
		asked, answer      string
	}{
		{"POST", "/v1/machines/m/inventory", `{"cpus":3}`, 200, "inventory T m 3", `{"wait":"w"}`},
		{"GET", "/v1/machines/m/plan", "", 200, "plan T m", `{"refused":"r"}`},
		{"POST", "/v1/machines/m/progress", `{"phase":"write"}`, 204, "progress T m write", ""},
		{"POST", "/v1/machines/m/fabric", `{"round":2}`, 204, "fabric T m 2", ""},
		{"POST", "/v1/machines/m/have", `{"port":8080,"bits":"0300"}`, 200, "have T m 192.0.2.1 8080 2", `{"peers":null,"take":"","first":7}`},
		{"POST", "/v1/machines/m/power", `{"action":"cycle"}`, 200, "power m cycle", `{"state":"on"}`},
		{"GET", "/v1/fabric", "", 200, "matrix", `{"fabric":{"round":3`},
		{"POST", "/v1/machines/m/enrol", `{"csr":"x"}`, 200, "enrol T m x", `"ca":"c"`},
		{"GET", "/v1/machines", "", 200, "list", `{"machines":[{"id":"m1"`},
		{"GET", "/v1/machines/m", "", 200, "show m", `{"id":"m"`},
		{"POST", "/v1/machines/m/approve", "", 200, "approve m", `{"id":"m"`},
		{"POST", "/v1/machines/m/reinstall", "", 200, "reinstall m", `{"id":"m"`},
		{"POST", "/v1/machines/m/refresh", "", 200, "refresh m", `{"id":"m"`},
		{"POST", "/v1/machines/m/inventory", `{`, 400, "", `{"error":"request body`},
		{"POST", "/v1/machines/m/inventory", `{"cpus":"many"}`, 400, "", `{"error":"request body`},
		{"POST", "/v1/machines/m/enrol", `{"csr":"` + strings.Repeat("a", maxBody) + `"}`, 413, "", `{"error":`},
		{"DELETE", "/v1/machines/m", "", 405, "", ""},
		{"GET", "/v2", "", 404, "", ""},
	} {
		m := &machines{}
		w := httptest.NewRecorder()
		API(m, m, slog.New(slog.DiscardHandler)).ServeHTTP(w, request(c.method, c.path, c.body, "operator", "service"))
		if w.Code != c.code || m.asked != c.asked || !strings.Contains(w.Body.String(), c.answer) {
			t.Errorf("%s %s: got %d, asked %q, answer %s; want %d, %q, %s", c.method, c.path, w.Code, m.asked, w.Body, c.code, c.asked, c.answer)
		}
	}
}

func TestWhoMayOperate(t *testing.T) {
	for who, ok := range map[string]bool{
		"operator service": true, "controller service": true, "deployer service": true,
		"compute service": false, "node-1 node": false, "operator node": false, "": false,
	} {
		cn, unit, _ := strings.Cut(who, " ")
		for _, call := range []string{"GET /v1/machines", "GET /v1/fabric", "POST /v1/machines/m/power", "GET /v1/machines/m", "POST /v1/machines/m/approve", "POST /v1/machines/m/reinstall"} {
			m := &machines{}
			method, path, _ := strings.Cut(call, " ")
			w := httptest.NewRecorder()
			API(m, m, slog.New(slog.DiscardHandler)).ServeHTTP(w, request(method, path, "{}", cn, unit))
			if (w.Code == 200) != ok || !ok && (w.Code != 403 || m.asked != "") {
				t.Errorf("%s by %q: got %d and asked %q, want allowed %v", call, who, w.Code, m.asked, ok)
			}
		}
	}
}

func TestErrorsHaveTheirCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{fmt.Errorf("%w: gone", fleet.ErrTicket), 401, "boot ticket refused: gone"},
		{fmt.Errorf("%w: no", fleet.ErrDenied), 403, "refused: no"},
		{fmt.Errorf("%w: m", fleet.ErrUnknown), 404, "no such machine: m"},
		{fmt.Errorf("%w: busy", fleet.ErrState), 409, "wrong state: busy"},
		{fmt.Errorf("%w: is silent", fleet.ErrBMC), 502, "BMC: is silent"},
		{fmt.Errorf("open /var/lib/cairn/x: disk full"), 500, "the deployer failed; its log says why"},
	} {
		m := &machines{err: c.err}
		w := httptest.NewRecorder()
		API(m, m, slog.New(slog.DiscardHandler)).ServeHTTP(w, request("GET", "/v1/machines/m/plan", "", "", ""))
		if want := fmt.Sprintf("{\"error\":%q}\n", c.text); w.Code != c.code || w.Body.String() != want {
			t.Errorf("%v: got %d %s, want %d %s", c.err, w.Code, w.Body, c.code, want)
		}
	}
}
