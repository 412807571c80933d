// Package pki is the certificate authority of a cluster: one ECDSA P-256
// root, and the certificates of servers, services and nodes under it.
//
// Four kinds of certificates exist, told apart by their organisational unit
// and extended key usage. A server's proves a name to clients and can do
// nothing else. A service's (OU=service) and a node's (OU=node) are clients
// only; their common name is their account at the database and the broker. A
// starting node's (OU=unlock) has an account nowhere, and lets it ask for the
// key of its data.
// P-256, not Ed25519: Erlang 25 refuses TLS 1.2 clients under an Ed25519 chain.
//
// The package imports the standard library only, and anybody may import it.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// Life spans. NotBefore lies Backdate in the past: clocks of new machines are
// often a little wrong.
const (
	CALife   = 10 * 365 * 24 * time.Hour
	LeafLife = 365 * 24 * time.Hour
	Backdate = time.Hour
)

// Names of the files of a CA in its directory.
const (
	CertFile = "ca.crt"
	KeyFile  = "ca.key"
)

// A CA signs the certificates of one cluster.
type CA struct {
	cert *x509.Certificate
	pem  []byte
	key  *ecdsa.PrivateKey
	now  func() time.Time
}

// clusterName is what a cluster may be called: it is part of the subjects
// that MariaDB compares as text, so nothing that OpenSSL would escape.
var clusterName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$`)

// FoundCA makes a new CA for the cluster and writes it to dir: ca.crt, and
// ca.key with mode 0600. It refuses to replace one that is there.
func FoundCA(dir, cluster string) (*CA, error) {
	if !clusterName.MatchString(cluster) {
		return nil, fmt.Errorf("found CA: cluster name %q; allowed: 1 to 63 letters, digits, blanks, dots, dashes and underscores", cluster)
	}
	keyPath := filepath.Join(dir, KeyFile)
	if _, err := os.Lstat(keyPath); err == nil {
		return nil, fmt.Errorf("found CA: %s exists; remove it by hand if the cluster is to get a new identity", keyPath)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("found CA: %w", err)
	}
	now := time.Now()
	serial, err := newSerial()
	if err != nil {
		return nil, fmt.Errorf("found CA: %w", err)
	}
	root := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{cluster}, CommonName: "cluster CA"},
		NotBefore:             now.Add(-Backdate),
		NotAfter:              now.Add(CALife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("found CA: %w", err)
	}
	pair, err := newPair(der, key)
	if err != nil {
		return nil, fmt.Errorf("found CA: %w", err)
	}
	if err := pair.write(filepath.Join(dir, CertFile), keyPath); err != nil {
		return nil, fmt.Errorf("found CA: %w", err)
	}
	return OpenCA(dir)
}

// OpenCA reads the CA in dir.
func OpenCA(dir string) (*CA, error) {
	return OpenCAFiles(filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile))
}

// OpenCAFiles reads a CA from a certificate and a key file in PEM.
func OpenCAFiles(certFile, keyFile string) (*CA, error) {
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("open CA: %w", err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("open CA: %w", err)
	}
	cert, err := ParseCertificate(certPEM)
	if err != nil {
		return nil, fmt.Errorf("open CA: %s: %w", certFile, err)
	}
	if !cert.IsCA {
		return nil, fmt.Errorf("open CA: %s: %q is not a CA certificate", certFile, cert.Subject)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("open CA: %s: %w", keyFile, err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("open CA: %s does not belong to %s", keyFile, certFile)
	}
	return &CA{cert: cert, pem: certPEM, key: key, now: time.Now}, nil
}

// Certificate is the CA's own certificate.
func (c *CA) Certificate() *x509.Certificate { return c.cert }

// PEM is the CA's own certificate in PEM.
func (c *CA) PEM() []byte { return c.pem }

// Cluster is the name of the cluster that the CA was founded for.
func (c *CA) Cluster() string { return c.cert.Subject.Organization[0] }

// Fingerprint is what machines pin before they trust the CA: "sha256:" and
// the hex digest of its certificate's DER.
func (c *CA) Fingerprint() string { return Fingerprint(c.cert) }

// Fingerprint is "sha256:" and the hex digest of the certificate's DER.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// newSerial is a positive random number of 128 bits (RFC 5280 4.1.2.2).
func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}
