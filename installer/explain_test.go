package installer

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
)

const fleetAnswer = `{"machines": [
 {"id": "m1", "name": "controller2", "rule": "controllers", "macs": ["52:54:00:00:00:01"], "state": "ready",
  "inventory": {"machine": "m1", "disks": [{"path": "/dev/vda", "size": 21474836480}], "nics": [{"mac": "52:54:00:00:00:01", "link": true}]}},
 {"id": "m2", "macs": ["52:54:00:00:00:02"], "state": "inventoried",
  "inventory": {"machine": "m2", "disks": [{"path": "/dev/vda", "size": 21474836480}],
   "nics": [{"mac": "52:54:00:00:00:02", "link": true}, {"mac": "52:54:00:00:01:02", "link": true}]}},
 {"id": "m3", "macs": ["52:54:00:00:00:03"], "state": "seen"}]}`

// operatorOf makes a deployer that answers with the fleet above, and the
// directory of its operator.
func operatorOf(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	ca, err := pki.FoundCA(filepath.Join(dir, "pki"), "test")
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.IssueServer([]string{"deployer"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	operator, err := ca.IssueService("operator")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(server.Cert, server.Key)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(ca.PEM())
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.PeerCertificates[0].Subject.CommonName != "operator" || r.URL.Path != "/v1/machines" {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = w.Write([]byte(fleetAnswer))
	}))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	for name, text := range map[string][]byte{operatorCA: ca.PEM(), operatorCert: operator.Cert, operatorKey: operator.Key,
		operatorAddress: []byte(s.Listener.Addr().String() + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestExplainAsksADeployer(t *testing.T) {
	rack, err := plan.ParseRack([]byte("rules:\n- {name: controllers, roles: [controller], count: 1}\n- {roles: [compute]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := ExplainCommand{Dir: operatorOf(t), Machines: []string{"52:54:00:00:00:02", "controller2", "m3"}}
	fleet, err := c.ask(t.Context(), rack)
	if err != nil {
		t.Fatal(err)
	}
	subjects, err := c.subjects(fleet)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.explain(&b, rack, subjects, fleet); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`- 1 "controllers" [controller], 1 of 1 machines: matches, but it is full`,
		`compute1, [compute] (rule "compute")`,
		`controller2, [controller] (rule "controllers")`,
		`machine m3: has sent no inventory yet`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if _, err := c.subject("m9", fleet); err == nil {
		t.Error("a machine that nobody knows was found")
	}
	c.Dir = t.TempDir()
	if _, err := c.ask(t.Context(), rack); err == nil || !strings.Contains(err.Error(), "name it with --deployer") {
		t.Errorf("without an operator's directory: %v", err)
	}
}

// TestFirstControllerCounts reads the manifest of the machine that explains.
func TestFirstControllerCounts(t *testing.T) {
	rack, err := plan.ParseRack([]byte("rules:\n- {name: others, roles: [compute], match: {local: false}}\n- {name: controllers, roles: [controller], host: 'ctl-{serial}'}\nmachines: [{serial: A, name: named, rule: others}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"ctl-sn1": "controllers", "named": "others", "x": ""} {
		file := filepath.Join(t.TempDir(), "node.json")
		if err := os.WriteFile(file, []byte(`{"id": "n", "name": "`+name+`", "rack": "name: a"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := firstController(rack, file); len(got) != 1 || got[0].Rule != want {
			t.Errorf("%s counts for %+v, want %q", name, got, want)
		}
	}
	if got := firstController(rack, "nothing"); got != nil {
		t.Errorf("a laptop counts for %+v", got)
	}
}
