package installer

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/deployer"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/vault"
	"github.com/cairn-cloud/cairn/node/spec"
)

// TestTheHeaderSaysWhomToAsk hands keys over, and looks at what comes of it.
func TestTheHeaderSaysWhomToAsk(t *testing.T) {
	ca, err := pki.FoundCA(t.TempDir(), "test")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.IssueServer([]string{"deployer"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert.Certificate = append(cert.Certificate, ca.Certificate().Raw)
	management := spec.Interface{MAC: "52:54:00:00:00:01", Address: netip.MustParsePrefix("10.20.0.101/24"), VLAN: 5}
	var got plan.VaultRequest
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = plan.VaultRequest{}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.URL.Path != "/v1/machines/m1/vault" {
			t.Errorf("asked %s, %v", r.URL, err)
		}
		v := plan.Vault{Node: "n1", Management: management}
		if got.CSR != "" {
			issued, err := ca.IssueUnlock([]byte(got.CSR), "n1")
			if err != nil {
				t.Error(err)
			}
			v.Certificate = string(issued)
		}
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
	server.StartTLS()
	defer server.Close()
	host := server.Listener.Addr().String()
	client, err := deployer.New(deployer.Options{Host: host, CA: ca.Fingerprint(), Ticket: "t", Machine: "m1", Say: t.Logf, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r := &remote{client: client}
	if r.Keeper(plan.Plan{Founds: true}) != nil || (&local{}).Keeper(plan.Plan{}) != nil {
		t.Error("somebody keeps the keys of a machine that founds a cluster")
	}
	key := bytes.Repeat([]byte("k"), 32)
	header, err := r.Keeper(plan.Plan{})(t.Context(), vault.Keys{LUKS: "u1", Key: key, Recovery: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	if got.LUKS != "u1" || got.Recovery != "r1" || got.Key != base64.StdEncoding.EncodeToString(key) {
		t.Errorf("the deployer got volume %s, %d characters of a key", got.LUKS, len(got.Key))
	}
	var p plea
	if err := json.Unmarshal(header, &p); err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair([]byte(p.Cert), []byte(p.Key)); err != nil {
		t.Error(err)
	}
	p.Cert, p.Key = "", ""
	if d := cmp.Diff(plea{Deployer: host, CA: ca.Fingerprint(), Node: "n1", Management: management}, p, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Error(d)
	}
	if len(header) > 4096 {
		t.Errorf("the header of LUKS2 has room for 12 KiB in all, and this takes %d bytes", len(header))
	}
	if _, err := r.Keeper(plan.Plan{})(t.Context(), vault.Keys{LUKS: "u1", Recovery: "r1"}); err != nil || got.Key != "" || got.CSR != "" {
		t.Errorf("with a TPM the deployer got %d characters of a key, %v", len(got.Key), err)
	}
}

func TestStaticLine(t *testing.T) {
	i := spec.Interface{Address: netip.MustParsePrefix("10.20.0.101/22")}
	if got := staticLine(i); got != "10.20.0.101:::255.255.252.0:::none" {
		t.Error(got)
	}
	i.Gateway = netip.MustParseAddr("10.20.0.1")
	if got := staticLine(i); got != "10.20.0.101::10.20.0.1:255.255.252.0:::none" {
		t.Error(got)
	}
}
