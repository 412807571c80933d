package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/spec"
)

// broker records what it was asked to make.
type broker struct {
	mu       sync.Mutex // guards the rest
	queues   []string
	accounts []string
	resynced []string
}

func (b *broker) EnsureNode(_ context.Context, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queues = append(b.queues, id)
	return nil
}

func (b *broker) SetNodes(_ context.Context, ids []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accounts = ids
	return nil
}

func (b *broker) Resync(_ context.Context, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.resynced = append(b.resynced, id)
	return nil
}

func newService(t *testing.T, now *time.Time) (*Service, *broker) {
	db := apitest.Database(t, "cluster", store.Source{Name: "cluster", FS: Migrations})
	b := &broker{}
	return New(Options{DB: db, Broker: b, Accounts: b, Guests: b, Log: apitest.Log(t), Clock: func() time.Time { return *now }}), b
}

func manifest(id, name string) spec.Node {
	return spec.Node{
		ID: id, Name: name, Roles: []spec.Role{spec.RoleCompute}, Controller: netip.MustParseAddr("10.20.0.11"),
		Management: spec.Interface{Address: netip.MustParsePrefix("10.20.0.12/24")},
	}
}

func TestStates(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s, b := newService(t, &now)
	ctx := t.Context()
	if err := s.Register(ctx, manifest("n1", "node1")); err != nil {
		t.Fatal(err)
	}
	if err := s.Register(ctx, manifest("n1", "node1")); err != nil {
		t.Fatal("again:", err)
	}
	state := func() State {
		t.Helper()
		n, err := s.Node(ctx, "n1")
		if err != nil {
			t.Fatal(err)
		}
		return n.State
	}
	beat := func(ok bool) {
		t.Helper()
		err := s.Heartbeat(ctx, spec.Heartbeat{Node: "n1", VCPUs: 2, Checks: []spec.Check{{Name: "libvirt", OK: ok, Why: "gone"}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		do   func()
		want State
	}{
		{func() {}, StateRegistered},
		{func() { beat(true) }, StateReady},
		{func() { now = now.Add(DownAfter) }, StateReady},
		{func() { now = now.Add(time.Second) }, StateDown},
		{func() { beat(false) }, StateUnready},
		{func() { beat(true) }, StateReady},
	} {
		if step.do(); state() != step.want {
			t.Errorf("state is %s, want %s", state(), step.want)
		}
	}
	if err := s.ensureAll(ctx); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.queues, []string{"n1"}) || !slices.Equal(b.accounts, []string{"n1"}) {
		t.Errorf("queues %v, accounts %v", b.queues, b.accounts)
	}
	if want := []string{"n1", "n1", "n1"}; !slices.Equal(b.resynced, want) { // first heard, back again, queue made
		t.Errorf("resynced %v, want %v", b.resynced, want)
	}
	if err := s.Heartbeat(ctx, spec.Heartbeat{Node: "stranger"}); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheDeployerRegisters(t *testing.T) {
	now := time.Now()
	s, _ := newService(t, &now)
	body, err := json.Marshal(manifest("n1", "node1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		unit, name string
		method     string
		path       string
		want       int
	}{
		{"node", "node-n1", "PUT", "/v1/nodes/n1", 403},
		{"node", "deployer", "PUT", "/v1/nodes/n1", 403},
		{"service", "network", "GET", "/v1/nodes", 403},
		{"service", "deployer", "PUT", "/v1/nodes/n2", 400},
		{"service", "deployer", "PUT", "/v1/nodes/n1", 200},
		{"service", "deployer", "GET", "/v1/nodes/n1", 200},
		{"service", "deployer", "GET", "/v1/nodes/n9", 404},
		{"service", "controller", "GET", "/v1/nodes", 200},
	} {
		r := httptest.NewRequest(c.method, c.path, bytes.NewReader(body))
		cert := &x509.Certificate{Subject: pkix.Name{CommonName: c.name, OrganizationalUnit: []string{c.unit}}}
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{cert}}}
		w := httptest.NewRecorder()
		s.NodeHandler().ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s %s as %s: %d, want %d: %s", c.method, c.path, c.name, w.Code, c.want, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/v1/nodes", nil)
	w := httptest.NewRecorder()
	if s.NodeHandler().ServeHTTP(w, r); w.Code != http.StatusForbidden {
		t.Errorf("without a certificate: %d", w.Code)
	}
}
