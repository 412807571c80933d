package pki

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
)

// Names of the files of a pair in its directory.
const (
	PairCert = "tls.crt"
	PairKey  = "tls.key"
)

// A Pair is a certificate and its private key, in PEM.
type Pair struct {
	Cert []byte
	Key  []byte
}

func newPair(der []byte, key *ecdsa.PrivateKey) (Pair, error) {
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Key: keyPEM}, nil
}

// Save writes tls.crt (0644) and tls.key (0600) to dir, which it makes with
// mode 0700 if it is not there. The owner of the files is the caller.
func (p Pair) Save(dir string) error {
	return p.write(filepath.Join(dir, PairCert), filepath.Join(dir, PairKey))
}

// LoadPair reads what Save wrote.
func LoadPair(dir string) (Pair, error) {
	cert, err := os.ReadFile(filepath.Join(dir, PairCert))
	if err != nil {
		return Pair{}, err
	}
	key, err := os.ReadFile(filepath.Join(dir, PairKey))
	if err != nil {
		return Pair{}, err
	}
	return Pair{Cert: cert, Key: key}, nil
}

// Renew tells whether the certificate should be replaced now: it is not from
// this CA, does not fit its key, lacks one of the names or addresses, or less
// than a third of its life is left.
func (c *CA) Renew(p Pair, names []string, ips []netip.Addr) bool {
	if _, err := tls.X509KeyPair(p.Cert, p.Key); err != nil {
		return true
	}
	cert, err := ParseCertificate(p.Cert)
	if err != nil || cert.CheckSignatureFrom(c.cert) != nil {
		return true
	}
	left := cert.NotAfter.Sub(c.now())
	if left < cert.NotAfter.Sub(cert.NotBefore)/3 {
		return true
	}
	for _, name := range names {
		if !slices.Contains(cert.DNSNames, name) {
			return true
		}
	}
	for _, ip := range ips {
		if cert.VerifyHostname(ip.String()) != nil {
			return true
		}
	}
	return false
}

// write puts the key down first: a certificate without its key is useless, a
// key without its certificate is made anew.
func (p Pair) write(certFile, keyFile string) error {
	if err := os.MkdirAll(filepath.Dir(keyFile), 0o700); err != nil {
		return err
	}
	if err := replace(keyFile, p.Key, 0o600); err != nil {
		return err
	}
	return replace(certFile, p.Cert, 0o644)
}

// replace writes a file so that a reader, and a machine that loses power, has
// either the old content or the new.
func replace(path string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// ParseCertificate reads the first certificate of a PEM text.
func ParseCertificate(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func parseKey(data []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("no private key in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("key type %T; allowed: ECDSA", key)
	}
	return ec, nil
}
