package deployer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// serverName is what a deployer's certificate is made out to.
const serverName = "deployer"

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 1 << 20

// A wire is HTTP to one deployer, which is known by its CA.
type wire struct {
	base   string // URL
	ticket string // sent with each request; never logged; may be empty
	http   *http.Client
}

// newWire prepares one to a host, with a port or without, by the fingerprint of
// its CA. field is what a wrong one is called.
func newWire(host, field, fingerprint string, own ...tls.Certificate) (*wire, error) {
	want, err := hex.DecodeString(strings.TrimPrefix(fingerprint, "sha256:"))
	if err != nil || len(want) != sha256.Size {
		return nil, fmt.Errorf("%s is %q; allowed: sha256: and 64 hex digits", field, fingerprint)
	}
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(host, strconv.Itoa(plan.HTTPSPort))
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: own,
		InsecureSkipVerify: true, // pinned verifies the chain against the CA of the fingerprint
		VerifyConnection:   func(s tls.ConnectionState) error { return pinned(s.PeerCertificates, want) }}
	t := &http.Transport{TLSClientConfig: conf, ResponseHeaderTimeout: time.Minute, ForceAttemptHTTP2: true}
	return &wire{base: "https://" + host, http: &http.Client{Transport: t, Timeout: 2 * time.Minute}}, nil
}

// pinned checks that the chain ends in the CA with that fingerprint, and that
// the certificate is a deployer's: a node's own would not do.
func pinned(chain []*x509.Certificate, want []byte) error {
	if len(chain) == 0 {
		return errors.New("the deployer shows no certificate")
	}
	roots, between, found := x509.NewCertPool(), x509.NewCertPool(), false
	for _, c := range chain {
		sum := sha256.Sum256(c.Raw)
		if bytes.Equal(sum[:], want) {
			roots.AddCert(c)
			found = true
			continue
		}
		between.AddCert(c)
	}
	if !found {
		return fmt.Errorf("the deployer's certificates do not include the CA that %s names", plan.ParamCA)
	}
	// A clock without a battery begins at its maker's: the certificate was made
	// after that, whatever it says.
	now := time.Now()
	if now.Before(chain[0].NotBefore) {
		now = chain[0].NotBefore
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: serverName, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return fmt.Errorf("the deployer's certificate: %w", err)
	}
	return nil
}

func isCertificate(err error) bool {
	var v *tls.CertificateVerificationError
	return errors.As(err, &v) || strings.Contains(err.Error(), "certificate")
}

// once sends in and reads out, both JSON or nil, and does not try again.
func (w *wire) once(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("deployer: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, w.base+path, body)
	if err != nil {
		return fmt.Errorf("deployer: %w", err)
	}
	if w.ticket != "" {
		req.Header.Set("Authorization", "Bearer "+w.ticket)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := w.http.Do(req)
	if err != nil {
		return fmt.Errorf("deployer: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("deployer: %w", err)
	}
	if res.StatusCode >= 300 {
		return statusError(res.StatusCode, raw)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("deployer: answer to %s: %w", path, err)
	}
	return nil
}

// A StatusError is an answer with an error in it.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the deployer answers %d: %s", e.Code, e.Message)
}

func statusError(code int, raw []byte) error {
	var e struct{ Error string }
	if err := json.Unmarshal(raw, &e); err != nil || e.Error == "" {
		e.Error = http.StatusText(code)
	}
	return &StatusError{Code: code, Message: e.Error}
}
