package private

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/hardening/pki"
)

// A forger makes client certificates that the CA would not: either with the
// cluster's own key, or with that of another CA of the same name.
type forger struct {
	cert *x509.Certificate
	key  any
}

func forge(t *testing.T, dir string) forger {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, pki.CertFile), filepath.Join(dir, pki.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return forger{cert, pair.PrivateKey}
}

// rogue is another CA with the same subject.
func rogue(t *testing.T) forger {
	t.Helper()
	dir := t.TempDir()
	if _, err := pki.FoundCA(dir, cluster); err != nil {
		t.Fatal(err)
	}
	return forge(t, dir)
}

// client is a certificate of a service, changed by edit.
func (f forger) client(t *testing.T, name string, edit func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject: pkix.Name{
			Organization: []string{cluster}, OrganizationalUnit: []string{pki.UnitService}, CommonName: name,
		},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if edit != nil {
		edit(cert)
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, f.cert, key.Public(), f.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func expired(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
}

func serverOnly(c *x509.Certificate) {
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
}

// otherRoots trusts another CA than the cluster's.
func otherRoots(t *testing.T) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(rogue(t).cert)
	return pool
}

// serial is the serial number of the first certificate in a file.
func serial(t *testing.T, file string) *big.Int {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert.SerialNumber
}
