package controller

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/hardening/pki"
)

// twoPorts are the two ports of a controller without services behind them, with
// the CA that certifies both sides.
type twoPorts struct {
	conf  Config
	front *front
	ca    *pki.CA
}

func openFront(t *testing.T, patient ...patience) *twoPorts {
	t.Helper()
	dir := t.TempDir()
	ca, err := pki.FoundCA(filepath.Join(dir, "ca"), "test")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.IssueServer([]string{"api"}, []netip.Addr{netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Save(filepath.Join(dir, "api")); err != nil {
		t.Fatal(err)
	}
	figures := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "figures") })
	p := &twoPorts{ca: ca, front: newFront(slog.New(slog.DiscardHandler), figures), conf: Config{
		Listen: freeAddress(t), NodeListen: freeAddress(t), CA: filepath.Join(dir, "ca", pki.CertFile),
		Cert: filepath.Join(dir, "api", pki.PairCert), Key: filepath.Join(dir, "api", pki.PairKey),
	}}
	ctx, stop := context.WithCancel(t.Context())
	g, ctx := errgroup.WithContext(ctx)
	if len(patient) > 0 {
		p.front.patience = patient[0]
	}
	if err := p.front.listen(ctx, g, p.conf); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := g.Wait(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return p
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// get asks a port, with a certificate if there is one.
func (p *twoPorts) get(t *testing.T, address, path string, certs ...tls.Certificate) (int, string, error) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(p.ca.Certificate())
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certs}}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Get("https://" + address + path)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSpace(string(text)), err
}

func TestItSaysWhatItWaitsFor(t *testing.T) {
	p := openFront(t)
	p.front.waitFor("the database")
	if code, text, err := p.get(t, p.conf.Listen, "/identity/v3"); err != nil || code != 503 || text != "waiting for the database" {
		t.Errorf("%d %q %v", code, text, err)
	}
	here := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "here") })
	p.front.open(&Cloud{Public: here, Nodes: here}, func() error { return io.EOF })
	if code, text, err := p.get(t, p.conf.Listen, "/identity/v3"); err != nil || code != 200 || text != "here" {
		t.Errorf("%d %q %v", code, text, err)
	}
	if code, text, err := p.get(t, p.conf.Listen, "/healthz"); err != nil || code != 200 || text != "ok\nwaiting for the broker" {
		t.Errorf("%d %q %v", code, text, err)
	}
}

func TestThePortOfNodesWantsACertificate(t *testing.T) {
	p := openFront(t)
	here := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.TLS.VerifiedChains[0][0].Subject.CommonName)
	})
	p.front.open(&Cloud{Public: here, Nodes: here}, func() error { return nil })
	if _, _, err := p.get(t, p.conf.NodeListen, "/v1/nodes"); err == nil {
		t.Error("a stranger without a certificate was answered")
	}
	other, err := pki.FoundCA(t.TempDir(), "other")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.get(t, p.conf.NodeListen, "/v1/nodes", certificate(t, other)); err == nil {
		t.Error("a certificate of another CA was accepted")
	}
	key, csr, err := pki.NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := p.ca.IssueUnlock(csr, "n1")
	if err != nil {
		t.Fatal(err)
	}
	onDisk, err := tls.X509KeyPair(unlock, key)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, err := p.get(t, p.conf.NodeListen, "/v1/images/x", onDisk); err == nil {
		t.Errorf("the certificate that lies open on a disk was answered with %d", code)
	}
	if code, text, err := p.get(t, p.conf.NodeListen, "/v1/nodes", certificate(t, p.ca)); err != nil || code != 200 || text != "deployer" {
		t.Errorf("%d %q %v", code, text, err)
	}
}

func certificate(t *testing.T, ca *pki.CA) tls.Certificate {
	t.Helper()
	pair, err := ca.IssueService("deployer")
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
