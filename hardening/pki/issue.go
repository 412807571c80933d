package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Organisational units of client certificates.
const (
	UnitService = "service"
	UnitNode    = "node"
	UnitUnlock  = "unlock"
)

// NodePrefix stands before a node's id in its common name, which is its
// account at the broker. UnlockPrefix makes a name that has no account anywhere.
const (
	NodePrefix   = "node-"
	UnlockPrefix = "unlock-"
)

// IssueServer makes a key and a certificate for a server. The first name is
// its common name; clients may use any of names and ips.
func (c *CA) IssueServer(names []string, ips []netip.Addr) (Pair, error) {
	return c.issueServer(names, ips, x509.ExtKeyUsageServerAuth)
}

// IssuePeer makes a key and a certificate that serves under the names and
// addresses and also proves the first name to other servers (OU=service). Only
// a deployer needs this: it serves installers and registers nodes.
func (c *CA) IssuePeer(names []string, ips []netip.Addr) (Pair, error) {
	return c.issueServer(names, ips, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
}

func (c *CA) issueServer(names []string, ips []netip.Addr, usages ...x509.ExtKeyUsage) (Pair, error) {
	if len(names) == 0 {
		return Pair{}, errors.New("issue server certificate: no names; allowed: one or more")
	}
	cert := &x509.Certificate{
		Subject:     pkix.Name{Organization: []string{c.Cluster()}, CommonName: names[0]},
		DNSNames:    names,
		ExtKeyUsage: usages,
	}
	if len(usages) > 1 {
		cert.Subject.OrganizationalUnit = []string{UnitService}
	}
	for _, ip := range ips {
		cert.IPAddresses = append(cert.IPAddresses, net.IP(ip.AsSlice()))
	}
	return c.issue(cert)
}

// IssueService makes a key and a client certificate for a service. Its
// subject is ServiceSubject.
func (c *CA) IssueService(name string) (Pair, error) {
	return c.issue(&x509.Certificate{
		Subject:     c.client(UnitService, name),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// IssueNode makes a client certificate, in PEM, for the node with the id. Of
// the request, a CSR in PEM, only the public key and the proof that the sender
// has its private half count: names and usages are ours.
func (c *CA) IssueNode(csrPEM []byte, id string) ([]byte, error) {
	return c.issueFor(csrPEM, id, &x509.Certificate{Subject: c.client(UnitNode, NodePrefix+id)})
}

// IssueUnlock makes a client certificate, as IssueNode does, that is good for
// one thing: to ask the deployer for the key of the node's data partition. The
// node cannot renew it before it has that key, so it lives as long as the CA;
// the deployer withdraws keys, not certificates.
func (c *CA) IssueUnlock(csrPEM []byte, id string) ([]byte, error) {
	return c.issueFor(csrPEM, id, &x509.Certificate{Subject: c.client(UnitUnlock, UnlockPrefix+id), NotAfter: c.cert.NotAfter})
}

func (c *CA) client(unit, name string) pkix.Name {
	return pkix.Name{Organization: []string{c.Cluster()}, OrganizationalUnit: []string{unit}, CommonName: name}
}

func (c *CA) issueFor(csrPEM []byte, id string, cert *x509.Certificate) ([]byte, error) {
	block, _ := pem.Decode(csrPEM)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("issue node certificate: the request is not a CSR in PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("issue node certificate: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("issue node certificate: the request is not signed by its own key: %w", err)
	}
	public, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, fmt.Errorf("issue node certificate: key type %T; allowed: ECDSA P-256", csr.PublicKey)
	}
	if id == "" {
		return nil, errors.New("issue node certificate: id is empty; allowed: a UUID")
	}
	cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := c.sign(cert, public)
	if err != nil {
		return nil, fmt.Errorf("issue node certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// NewRequest makes a key and a CSR for it, both in PEM: what a node sends to
// enrol. The CSR names nothing, since names in it would not count.
func NewRequest() (keyPEM, csrPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate request: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate request: %w", err)
	}
	keyPEM, err = encodeKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate request: %w", err)
	}
	return keyPEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), nil
}

// issue makes a key and signs a certificate for it.
func (c *CA) issue(cert *x509.Certificate) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("issue certificate for %s: %w", cert.Subject.CommonName, err)
	}
	der, err := c.sign(cert, key.Public())
	if err != nil {
		return Pair{}, fmt.Errorf("issue certificate for %s: %w", cert.Subject.CommonName, err)
	}
	return newPair(der, key)
}

// sign completes the certificate with what all leaves have in common.
func (c *CA) sign(cert *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := c.now()
	cert.SerialNumber = serial
	cert.NotBefore = now.Add(-Backdate)
	if cert.NotAfter.IsZero() {
		cert.NotAfter = now.Add(LeafLife)
	}
	if cert.NotAfter.After(c.cert.NotAfter) {
		cert.NotAfter = c.cert.NotAfter
	}
	cert.KeyUsage = x509.KeyUsageDigitalSignature
	cert.BasicConstraintsValid = true
	return x509.CreateCertificate(rand.Reader, cert, c.cert, public, c.key)
}

// ServiceSubject is the subject of a service's certificate the way OpenSSL and
// MariaDB print it.
func ServiceSubject(cluster, name string) string {
	return "/O=" + cluster + "/OU=" + UnitService + "/CN=" + name
}

// Issuer is the CA's subject the way OpenSSL and MariaDB print it.
func Issuer(cluster string) string { return "/O=" + cluster + "/CN=cluster CA" }
