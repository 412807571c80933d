package deployer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// served starts a deployer's TLS end with a certificate for those names.
func served(t *testing.T, names []string, h http.Handler) (host string, ca *pki.CA) {
	t.Helper()
	ca, err := pki.FoundCA(t.TempDir(), "test")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.IssueServer(names, nil)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(ca.PEM())
	cert.Certificate = append(cert.Certificate, block.Bytes)
	srv := httptest.NewUnstartedServer(h)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), ca
}

func client(t *testing.T, host, ca string, say func(string, ...any)) *Client {
	t.Helper()
	c, err := New(Options{Host: host, CA: ca, Ticket: "ticket-1", Machine: "m1", Say: say, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPlanWaitsUntilThereIsOne(t *testing.T) {
	asked := 0
	host, ca := served(t, []string{"deployer"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer ticket-1" {
			t.Errorf("authorization is %q", got)
		}
		asked++
		var a plan.Answer
		switch r.Method + " " + r.URL.Path {
		case "POST /v1/machines/m1/inventory":
			a.Wait = "a person has to approve it"
		case "GET /v1/machines/m1/plan":
			a.Plan = &plan.Plan{HostName: "compute1"}
		default:
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		if err := json.NewEncoder(w).Encode(a); err != nil {
			t.Error(err)
		}
	}))
	var said []string
	c := client(t, host, ca.Fingerprint(), func(f string, a ...any) { said = append(said, fmt.Sprintf(f, a...)) })
	p, err := c.Plan(t.Context(), plan.Inventory{}, nil)
	if err != nil || p.HostName != "compute1" || asked != 2 {
		t.Errorf("got %+v, %v after %d questions", p, err, asked)
	}
	if len(said) != 1 || said[0] != "waiting for the deployer: a person has to approve it" {
		t.Errorf("said %q", said)
	}
}

// TestPlanProbesTheFabric takes part in a round that the deployer asks for,
// once, and goes on when the round is over without it.
func TestPlanProbesTheFabric(t *testing.T) {
	var asked []string
	order := plan.FabricOrder{Round: 4, Trunk: "52:54:00:00:00:01", VLANs: []int{100}}
	host, ca := served(t, []string{"deployer"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+filepath.Base(r.URL.Path))
		a := plan.Answer{Wait: "fabric", Fabric: &order}
		switch {
		case strings.HasSuffix(r.URL.Path, "/fabric"):
			var report plan.FabricReport
			if err := json.NewDecoder(r.Body).Decode(&report); err != nil || report.Round != 4 || report.SpeedMbps != 10 || report.Clock == "" {
				t.Errorf("report %+v: %v", report, err)
			}
			w.WriteHeader(http.StatusConflict) // it came too late
			return
		case len(asked) > 3:
			a = plan.Answer{Plan: &plan.Plan{HostName: "compute1"}}
		}
		if err := json.NewEncoder(w).Encode(a); err != nil {
			t.Error(err)
		}
	}))
	c := client(t, host, ca.Fingerprint(), t.Logf)
	c.o.Probe = func(_ context.Context, o plan.FabricOrder, _ *slog.Logger) (plan.FabricReport, error) {
		return plan.FabricReport{Round: o.Round, SpeedMbps: 10}, nil
	}
	if _, err := c.Plan(t.Context(), plan.Inventory{}, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(asked, ", "), "POST inventory, POST fabric, GET plan, GET plan"; got != want {
		t.Errorf("asked %s; want %s", got, want)
	}
}

// TestPlanSendsTheInventoryAgain where the deployer asks for it while the
// machine waits.
func TestPlanSendsTheInventoryAgain(t *testing.T) {
	var asked []string
	host, ca := served(t, []string{"deployer"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := plan.Answer{Wait: "somebody", Again: true}
		if r.Method == http.MethodPost {
			var inv plan.Inventory
			if err := json.NewDecoder(r.Body).Decode(&inv); err != nil {
				t.Error(err)
			}
			asked = append(asked, fmt.Sprintf("%d disks", len(inv.Disks)))
			a = plan.Answer{Wait: "somebody"}
			if len(inv.Disks) > 0 {
				a = plan.Answer{Plan: &plan.Plan{HostName: "compute1"}}
			}
		}
		if err := json.NewEncoder(w).Encode(a); err != nil {
			t.Error(err)
		}
	}))
	c := client(t, host, ca.Fingerprint(), t.Logf)
	again := func() plan.Inventory { return plan.Inventory{Disks: []plan.Disk{{Path: "/dev/vda"}}} }
	if _, err := c.Plan(t.Context(), plan.Inventory{}, again); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(asked, ", "); got != "0 disks, 1 disks" {
		t.Errorf("got inventories with %s", got)
	}
}

func TestRefusalsAndStatus(t *testing.T) {
	host, ca := served(t, []string{"deployer"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/enrol") {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":"ticket is used up"}`))
			return
		}
		_, _ = w.Write([]byte(`{"refused":"no rule matches. Add one."}`))
	}))
	c := client(t, host, ca.Fingerprint(), t.Logf)
	var refusal *plan.Refusal
	if _, err := c.Plan(t.Context(), plan.Inventory{}, nil); !errors.As(err, &refusal) || refusal.Remedy != "no rule matches. Add one" {
		t.Errorf("got %v", err)
	}
	var status *StatusError
	if _, err := c.Enrol(t.Context(), []byte("csr")); !errors.As(err, &status) || status.Code != 401 || status.Message != "ticket is used up" {
		t.Errorf("got %v", err)
	}
}

// TestOnlyThePinnedDeployerIsBelieved tries other clusters, other servers of
// the same cluster, and one that merely shows the right CA.
func TestOnlyThePinnedDeployerIsBelieved(t *testing.T) {
	never := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a ticket was sent to the wrong server") })
	_, ours := served(t, []string{"deployer"}, never)
	otherHost, _ := served(t, []string{"deployer"}, never)
	mariaHost, cluster := served(t, []string{"mariadb"}, never)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	self := &x509.Certificate{SerialNumber: ours.Certificate().SerialNumber, DNSNames: []string{"deployer"}}
	der, err := x509.CreateCertificate(rand.Reader, self, self, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	liar := httptest.NewUnstartedServer(never)
	liar.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der, ours.Certificate().Raw}, PrivateKey: key}}}
	liar.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	liar.StartTLS()
	defer liar.Close()

	for name, c := range map[string]*Client{
		"another cluster":             client(t, otherHost, ours.Fingerprint(), t.Logf),
		"another server of ours":      client(t, mariaHost, cluster.Fingerprint(), t.Logf),
		"own certificate with our CA": client(t, liar.Listener.Addr().String(), ours.Fingerprint(), t.Logf),
	} {
		if _, err := c.Plan(t.Context(), plan.Inventory{}, nil); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNewNamesTheParameter(t *testing.T) {
	for _, o := range []Options{{CA: "sha256:12", Ticket: "t"}, {CA: "sha256:" + strings.Repeat("00", 32)}} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "cairn.") {
			t.Errorf("%+v: got %v", o, err)
		}
	}
}

// TestTheEndIsReportedUntilItIsHeard meets a deployer that is restarting.
func TestTheEndIsReportedUntilItIsHeard(t *testing.T) {
	var heard []plan.Progress
	tries := 0
	host, ca := served(t, []string{"deployer"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tries++; tries == 1 {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		var p plan.Progress
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil || !strings.HasSuffix(r.URL.Path, "/progress") {
			t.Errorf("%s: %v", r.URL, err)
		}
		heard = append(heard, p)
		w.WriteHeader(http.StatusNoContent)
	}))
	want := plan.Progress{Phase: "handover", Detail: "kexec"}
	c := client(t, host, ca.Fingerprint(), func(string, ...any) {})
	if err := c.Finished(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if len(heard) != 1 || heard[0] != want {
		t.Errorf("heard %+v, want %+v once", heard, want)
	}
}
