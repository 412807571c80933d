package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func found(t testing.TB) *CA {
	t.Helper()
	ca, err := FoundCA(t.TempDir(), "rack")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestFoundCAWritesAKeyForItsOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	ca, err := FoundCA(dir, "rack")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the key %v, want 0600", info.Mode().Perm())
	}
	again, err := OpenCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again.Fingerprint() != ca.Fingerprint() || again.Cluster() != "rack" {
		t.Errorf("opened %s of %q, founded %s", again.Fingerprint(), again.Cluster(), ca.Fingerprint())
	}
	if _, err := FoundCA(dir, "rack"); err == nil {
		t.Error("a second CA replaced the first")
	}
}

func TestFoundCARefusesNamesThatSubjectsCannotBear(t *testing.T) {
	for _, name := range []string{"", "a/b", "a\nb", "ä", strings.Repeat("a", 64), "/O=x"} {
		if _, err := FoundCA(t.TempDir(), name); err == nil {
			t.Errorf("name %q was taken", name)
		}
	}
}

// Names, role and usages of a node's certificate are ours, whatever it asks
// for.
func TestIssueNodeUsesTheKeyAlone(t *testing.T) {
	ca := found(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:     pkix.Name{Organization: []string{"rack"}, OrganizationalUnit: []string{UnitService}, CommonName: "controller"},
		DNSNames:    []string{"mariadb", "api"},
		IPAddresses: []net.IP{net.IPv4(10, 20, 0, 11)},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM, err := ca.IssueNode(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), "n1")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ParseCertificate(certPEM)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cert.Subject.String(), "CN=node-n1,OU=node,O=rack"; got != want {
		t.Errorf("subject %s, want %s", got, want)
	}
	if len(cert.DNSNames)+len(cert.IPAddresses) != 0 || cert.IsCA {
		t.Errorf("names %v %v, CA %v; want none", cert.DNSNames, cert.IPAddresses, cert.IsCA)
	}
	if len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
		t.Errorf("usages %v, want client only", cert.ExtKeyUsage)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		t.Error("the certificate is for another key")
	}
	if since := time.Since(cert.NotBefore); since < Backdate {
		t.Errorf("valid since %v, want %v at least", since, Backdate)
	}
}

// TestIssueUnlock is good for no account, and for as long as the CA.
func TestIssueUnlock(t *testing.T) {
	ca := found(t)
	_, csr, err := NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	certPEM, err := ca.IssueUnlock(csr, "n1")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ParseCertificate(certPEM)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cert.Subject.String(), "CN=unlock-n1,OU=unlock,O=rack"; got != want {
		t.Errorf("subject %s, want %s", got, want)
	}
	if !cert.NotAfter.Equal(ca.Certificate().NotAfter) || len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
		t.Errorf("good until %v for %v; want %v, client only", cert.NotAfter, cert.ExtKeyUsage, ca.Certificate().NotAfter)
	}
}

func TestIssueNodeRefuses(t *testing.T) {
	ca := found(t)
	_, good, err := NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(good)
	spoiled := bytes.Clone(block.Bytes)
	spoiled[len(spoiled)-1] ^= 1
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, edKey)
	if err != nil {
		t.Fatal(err)
	}
	request := func(der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	}
	tests := map[string]struct {
		csr  []byte
		id   string
		want string
	}{
		"nothing":                   {nil, "n1", "not a CSR"},
		"a certificate":             {ca.PEM(), "n1", "not a CSR"},
		"rubbish":                   {request([]byte("x")), "n1", "asn1"},
		"not signed by its own key": {request(spoiled), "n1", "not signed by its own key"},
		"another kind of key":       {request(weak), "n1", "allowed: ECDSA P-256"},
		"no id":                     {good, "", "id is empty"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := ca.IssueNode(test.csr, test.id); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestRenew(t *testing.T) {
	ca, other := found(t), found(t)
	names, ips := []string{"api", "c1"}, []netip.Addr{netip.MustParseAddr("10.20.0.11")}
	pair, err := ca.IssueServer(names, ips)
	if err != nil {
		t.Fatal(err)
	}
	service, err := ca.IssueService("identity")
	if err != nil {
		t.Fatal(err)
	}
	later := *ca
	later.now = func() time.Time { return time.Now().Add(LeafLife * 3 / 4) }
	tests := map[string]struct {
		ca    *CA
		pair  Pair
		names []string
		ips   []netip.Addr
		want  bool
	}{
		"fresh":            {ca, pair, names, ips, false},
		"fresh service":    {ca, service, nil, nil, false},
		"late in its life": {&later, pair, names, ips, true},
		"of another CA":    {other, pair, names, ips, true},
		"a name more":      {ca, pair, append(names, "cloud"), ips, true},
		"an address more":  {ca, pair, names, append(ips, netip.MustParseAddr("10.20.0.12")), true},
		"another's key":    {ca, Pair{Cert: pair.Cert, Key: service.Key}, names, ips, true},
		"absent":           {ca, Pair{}, names, ips, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.ca.Renew(test.pair, test.names, test.ips); got != test.want {
				t.Errorf("renew %v, want %v", got, test.want)
			}
		})
	}
}

// Go's own servers and clients refuse what is not for them.
func TestGoRefusesWrongCertificates(t *testing.T) {
	ca, other := found(t), found(t)
	pair := func(p Pair, err error) tls.Certificate {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		c, err := tls.X509KeyPair(p.Cert, p.Key)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	local := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	tests := map[string]struct {
		server, client tls.Certificate
		name           string
		ok             bool
	}{
		"right":                        {pair(ca.IssueServer([]string{"api"}, local)), pair(ca.IssueService("image")), "api", true},
		"peer as server":               {pair(ca.IssuePeer([]string{"deployer"}, local)), pair(ca.IssueService("image")), "deployer", true},
		"peer as client":               {pair(ca.IssueServer([]string{"api"}, local)), pair(ca.IssuePeer([]string{"deployer"}, local)), "api", true},
		"server as client":             {pair(ca.IssueServer([]string{"api"}, local)), pair(ca.IssueServer([]string{"api"}, local)), "api", false},
		"service as server":            {pair(ca.IssueService("api")), pair(ca.IssueService("image")), "api", false},
		"server of another name":       {pair(ca.IssueServer([]string{"mariadb"}, local)), pair(ca.IssueService("image")), "api", false},
		"server of another CA":         {pair(other.IssueServer([]string{"api"}, local)), pair(ca.IssueService("image")), "api", false},
		"client of another CA":         {pair(ca.IssueServer([]string{"api"}, local)), pair(other.IssueService("image")), "api", false},
		"client without a certificate": {pair(ca.IssueServer([]string{"api"}, local)), tls.Certificate{}, "api", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := talk(t, ca, test.server, test.client, test.name)
			if (err == nil) != test.ok {
				t.Errorf("error %v, want success %v", err, test.ok)
			}
		})
	}
}

// talk lets a client that knows the server by the name ask it something.
func talk(t *testing.T, ca *CA, server, client tls.Certificate, name string) error {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate())
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hello")
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	s.StartTLS()
	defer s.Close()
	config := &tls.Config{RootCAs: pool, ServerName: name}
	if client.Certificate != nil {
		config.Certificates = []tls.Certificate{client}
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	defer c.CloseIdleConnections()
	r, err := c.Get(s.URL)
	if err != nil {
		return err
	}
	_, err = io.ReadAll(r.Body)
	return errors.Join(err, r.Body.Close())
}
