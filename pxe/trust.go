package pxe

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fleet"
)

// trust is the cluster's CA and our own certificate.
type trust struct {
	ca   *pki.CA
	cert tls.Certificate
}

// serverName is what our certificate is made for, besides the address.
const serverName = "deployer"

// openTrust reads CA and certificate. A laptop that was given none founds a
// CA in the state directory, once.
func openTrust(c *Config, rack *plan.Rack, log *slog.Logger) (*trust, error) {
	ca, err := openCA(c, rack, log)
	if err != nil {
		return nil, err
	}
	cert, err := openCertificate(c, ca)
	if err != nil {
		return nil, fmt.Errorf("own certificate: %w", err)
	}
	// An installer knows the fingerprint of the CA alone: it needs to be shown
	// the CA's certificate too.
	cert.Certificate = [][]byte{cert.Certificate[0], ca.Certificate().Raw}
	return &trust{ca, cert}, nil
}

// openCertificate reads our certificate, or has one issued.
func openCertificate(c *Config, ca *pki.CA) (tls.Certificate, error) {
	if c.Cert != "" {
		return tls.LoadX509KeyPair(c.Cert, c.Key)
	}
	dir := filepath.Join(c.StateDir, "pki", serverName)
	names, ips := []string{serverName}, []netip.Addr{c.Address}
	pair, err := pki.LoadPair(dir)
	if err != nil && !os.IsNotExist(err) {
		return tls.Certificate{}, err
	}
	if ca.Renew(pair, names, ips) {
		if pair, err = ca.IssuePeer(names, ips); err != nil {
			return tls.Certificate{}, err
		}
		if err := pair.Save(dir); err != nil {
			return tls.Certificate{}, err
		}
	}
	return tls.X509KeyPair(pair.Cert, pair.Key)
}

func openCA(c *Config, rack *plan.Rack, log *slog.Logger) (*pki.CA, error) {
	if c.CA != "" {
		return pki.OpenCAFiles(c.CA, c.CAKey)
	}
	dir := filepath.Join(c.StateDir, "pki")
	if _, err := os.Stat(filepath.Join(dir, pki.KeyFile)); err == nil {
		return pki.OpenCA(dir)
	}
	log.Info("founding a certificate authority", "cluster", rack.Name, "dir", dir)
	return pki.FoundCA(dir, rack.Name)
}

// controller is the client of the controller's node-facing API.
func (t *trust) controller(base string) *fleet.RemoteController {
	pool := x509.NewCertPool()
	pool.AddCert(t.ca.Certificate())
	return fleet.NewRemoteController(base, &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: []tls.Certificate{t.cert},
		}},
	})
}
