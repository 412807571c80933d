package httpboot

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/deployer"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fleet"
	"github.com/cairn-cloud/cairn/pxe/tally"
)

// keys notes what it was asked.
type keys struct{ asked string }

func (k *keys) Vault(ticket, machine string, req plan.VaultRequest) (plan.Vault, error) {
	k.asked = fmt.Sprint("vault ", ticket, " ", machine, " ", req.LUKS)
	return plan.Vault{Node: "n1"}, nil
}

func (k *keys) Unlock(node string, req plan.UnlockRequest) (plan.Unlock, error) {
	k.asked = fmt.Sprint("unlock ", node, " ", req.LUKS)
	if req.LUKS == "locked" {
		return plan.Unlock{}, fmt.Errorf("%w: by an operator", fleet.ErrLocked)
	}
	return plan.Unlock{Key: "a2V5"}, nil
}

func (k *keys) SetLocked(id string, locked bool) (fleet.Machine, error) {
	k.asked = fmt.Sprint("lock ", id, " ", locked)
	return fleet.Machine{ID: id}, nil
}

func (k *keys) Recovery(id string) (fleet.RecoveryKey, error) {
	k.asked = "recovery " + id
	return fleet.RecoveryKey{Key: "r"}, nil
}

func TestVaults(t *testing.T) {
	for _, c := range []struct {
		path, body, cn, unit string
		code                 int
		asked, answer        string
	}{
		{"/v1/machines/m/vault", `{"luks":"u"}`, "", "", 200, "vault T m u", `"node":"n1"`},
		{"/v1/nodes/n1/unlock", `{"luks":"u"}`, "unlock-n1", "unlock", 200, "unlock n1 u", `{"key":"a2V5"}`},
		{"/v1/nodes/n1/unlock", `{"luks":"locked"}`, "unlock-n1", "unlock", 423, "unlock n1 locked", `{"error":"locked: by an operator"}`},
		{"/v1/nodes/n1/unlock", `{`, "unlock-n1", "unlock", 400, "", `{"error":"request body`},
		{"/v1/nodes/n1/unlock", `{"luks":"u"}`, "unlock-n2", "unlock", 403, "",
			`{"error":"refused: the client certificate is for \"unlock-n2\"; needed: the one that node n1 got to ask for its key"}`},
		{"/v1/nodes/n1/unlock", `{"luks":"u"}`, "node-n1", "node", 403, "", `refused: the client certificate is for \"node-n1\"`},
		{"/v1/nodes/n1/unlock", `{"luks":"u"}`, "unlock-n1", "service", 403, "", `refused: the client certificate is for \"unlock-n1\"`},
		{"/v1/nodes/n1/unlock", `{"luks":"u"}`, "", "", 403, "",
			`{"error":"refused: no client certificate of the cluster's CA; needed: the one that node n1 got to ask for its key"}`},
		{"/v1/machines/m/lock", "", "operator", "service", 200, "lock m true", `"id":"m"`},
		{"/v1/machines/m/unlock", "", "operator", "service", 200, "lock m false", `"id":"m"`},
		{"/v1/machines/m/recovery-key", "", "operator", "service", 200, "recovery m", `"key":"r"`},
		{"/v1/machines/m/lock", "", "unlock-n1", "unlock", 403, "", "refused: "},
		{"/v1/machines/m/unlock", "", "node-n1", "node", 403, "", "refused: "},
		{"/v1/machines/m/recovery-key", "", "", "", 403, "", "refused: "},
	} {
		k := &keys{}
		mux := http.NewServeMux()
		HandleVaults(mux, k, slog.New(slog.DiscardHandler))
		w := httptest.NewRecorder()
		r := request("POST", c.path, c.body, c.cn, c.unit)
		if c.cn == "" {
			r.TLS.VerifiedChains = [][]*x509.Certificate{}
		}
		mux.ServeHTTP(w, r)
		if w.Code != c.code || k.asked != c.asked || !strings.Contains(w.Body.String(), c.answer) {
			t.Errorf("%s by %q: got %d, asked %q, answer %s; want %d, %q, %s", c.path, c.cn, w.Code, k.asked, w.Body, c.code, c.asked, c.answer)
		}
	}
}

// TestANodeGetsItsKeyOverTLS has the initramfs's own client ask the server, with
// certificates of the cluster and of another one.
func TestANodeGetsItsKeyOverTLS(t *testing.T) {
	ca, err := pki.FoundCA(t.TempDir(), "test")
	if err != nil {
		t.Fatal(err)
	}
	other, err := pki.FoundCA(t.TempDir(), "other")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.IssuePeer([]string{"deployer"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert.Certificate = append(cert.Certificate, ca.Certificate().Raw)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	log := slog.New(slog.DiscardHandler)
	HandleVaults(mux, &keys{}, log)
	served := make(chan error, 1)
	ctx := t.Context()
	go func() {
		served <- Serve(ctx, l, mux, TLSConfig(cert, ca.Certificate()), tally.New(log, time.Now).For("https"))
	}()
	ask := func(by *pki.CA, node string) ([]byte, error) {
		key, csr, err := pki.NewRequest()
		if err != nil {
			t.Fatal(err)
		}
		issued, err := by.IssueUnlock(csr, "n1")
		if err != nil {
			t.Fatal(err)
		}
		own, err := tls.X509KeyPair(issued, key)
		if err != nil {
			t.Fatal(err)
		}
		return deployer.Unlock(ctx, deployer.Plea{Host: l.Addr().String(), CA: ca.Fingerprint(), Node: node, Cert: own, LUKS: "u", Say: t.Logf, Log: log})
	}
	if key, err := ask(ca, "n1"); err != nil || string(key) != "key" {
		t.Errorf("got %q, %v", key, err)
	}
	for by, node := range map[*pki.CA]string{ca: "n2", other: "n1"} {
		var refusal *plan.Refusal
		if key, err := ask(by, node); !errors.As(err, &refusal) {
			t.Errorf("certificate of %s for node %s: got %q, %v", by.Cluster(), node, key, err)
		} else {
			t.Log(err)
		}
	}
}
