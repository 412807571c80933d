// Package bmc is the virtual BMC of the lab's machines: a Redfish service
// (DSP0266) for each, over TLS with a certificate of its own, that switches
// the machine it stands for.
//
// It has what deployers use: sessions, power, what to boot next, and a CD
// drive. Whoever knows neither user nor password sees the service root alone.
package bmc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"time"
)

// Boot is what the machine boots next, in Redfish's words.
type Boot string

// What the lab's machines can boot.
const (
	BootNone Boot = "None"
	BootPXE  Boot = "Pxe"
	BootDisk Boot = "Hdd"
	BootCD   Boot = "Cd"
)

// A Machine is what a BMC switches.
type Machine interface {
	On() bool
	PowerOn(ctx context.Context) error
	PowerOff(ctx context.Context) error // at once
	Press(ctx context.Context) error    // the power button
	Reset(ctx context.Context) error
	// BootNext holds for the next power-on or reset alone.
	BootNext(b Boot) error
	// Insert puts the ISO of the URL into the CD drive; empty: nothing.
	Insert(ctx context.Context, url string) error
}

// Config of one BMC.
type Config struct {
	Name     string // of the machine
	UUID     string // SMBIOS
	UEFI     bool
	User     string
	Password string
	Cert     tls.Certificate // that it shows; see NewCertificate
	Machine  Machine
	Log      *slog.Logger
}

// A BMC serves one machine.
type BMC struct {
	conf   Config
	state  state
	server *http.Server
}

// New makes a BMC.
func New(conf Config) *BMC {
	b := &BMC{conf: conf, state: state{sessions: map[string]bool{}, next: BootNone}}
	b.server = &http.Server{Handler: b.handler(), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:  slog.NewLogLogger(conf.Log.Handler(), slog.LevelDebug),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{conf.Cert}}}
	return b
}

// Fingerprint is that of a certificate: sha256:<hex>.
func Fingerprint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Serve answers until Close.
func (b *BMC) Serve(l net.Listener) error {
	if err := b.server.ServeTLS(l, "", ""); err != http.ErrServerClosed {
		return fmt.Errorf("BMC of %s: %w", b.conf.Name, err)
	}
	return nil
}

// Close ends it.
func (b *BMC) Close() error { return b.server.Close() }

// NewCertificate makes the certificate of a machine's BMC, signed by itself as
// those of real ones, as PEM for [tls.X509KeyPair].
func NewCertificate(machine string) (cert, key []byte, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("certificate of the BMC of %s: %w", machine, err)
		}
	}()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		return nil, nil, err
	}
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "BMC of " + machine},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0), DNSNames: []string{machine + "-bmc"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		return nil, nil, err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), nil
}
