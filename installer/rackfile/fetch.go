package rackfile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Words of the kernel line about a rack.yaml from a server. Whoever may
// change a rack.yaml decides what is wiped and who may log in, so one that
// nobody pinned is refused.
const (
	ParamCA     = "cairn.rack_ca"     // sha256:<hex of the DER> of the server's certificate or of the CA that it shows
	ParamSHA256 = "cairn.rack_sha256" // hex of the text's digest
)

// maxFetched bounds a rack.yaml from the network, in bytes.
const maxFetched = 1 << 20

// A Remote is a rack.yaml on a server.
type Remote struct {
	URL    string // substitutions are made already
	CA     string // value of [ParamCA]; empty: none
	SHA256 string // value of [ParamSHA256]; empty: none
}

// IsURL tells whether the value of cairn.rack is a URL.
func IsURL(where string) bool {
	return strings.HasPrefix(where, "http://") || strings.HasPrefix(where, "https://")
}

// Fetch gets the text, and returns it when it is the one that is pinned.
func (r Remote) Fetch(ctx context.Context) ([]byte, error) {
	client, sum, err := r.client()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", plan.ParamRack, err)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", plan.ParamRack, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s answers %s; allowed: 200 OK", plan.ParamRack, r.URL, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxFetched+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", plan.ParamRack, err)
	case len(text) > maxFetched:
		return nil, fmt.Errorf("%s: %s is longer than %d bytes; allowed: at most that", plan.ParamRack, r.URL, maxFetched)
	}
	if got := sha256.Sum256(text); sum != nil && !bytes.Equal(got[:], sum) {
		return nil, &plan.Refusal{Reason: fmt.Sprintf("%s is %s, and the text at %s has %x", ParamSHA256, r.SHA256, r.URL, got),
			Remedy: "Somebody changed the text: look at it, and correct the kernel line if it is right"}
	}
	return text, nil
}

// client checks what is pinned and makes the client for it.
func (r Remote) client() (*http.Client, []byte, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" {
		return nil, nil, fmt.Errorf("%s is %q; allowed: an https or http URL with a host", plan.ParamRack, r.URL)
	}
	ca, err := digest(ParamCA, strings.TrimPrefix(r.CA, "sha256:"), "sha256: and 64 hex digits")
	if err != nil {
		return nil, nil, err
	}
	sum, err := digest(ParamSHA256, r.SHA256, "64 hex digits")
	if err != nil {
		return nil, nil, err
	}
	if u.Scheme == "http" && sum == nil {
		return nil, nil, &plan.Refusal{Reason: fmt.Sprintf("%s is %s, and anybody on the way can change what comes over http", plan.ParamRack, r.URL),
			Remedy: fmt.Sprintf("Pin the text with %s=<hex> (sha256sum rack.yaml), or use https with %s", ParamSHA256, ParamCA)}
	}
	if u.Scheme == "https" && ca == nil {
		return nil, nil, &plan.Refusal{Reason: fmt.Sprintf("%s is %s, and nothing says which certificate that server has", plan.ParamRack, r.URL),
			Remedy: fmt.Sprintf("Pin it with %s=sha256:<hex> (openssl x509 -in server.crt -outform der | sha256sum)", ParamCA)}
	}
	transport := &http.Transport{ResponseHeaderTimeout: time.Minute}
	if ca != nil {
		transport.TLSClientConfig = pinned(ca, u.Hostname())
	}
	return &http.Client{Transport: transport, Timeout: 2 * time.Minute, CheckRedirect: refuseRedirect}, sum, nil
}

func digest(param, value, allowed string) ([]byte, error) {
	if value == "" {
		return nil, nil
	}
	b, err := hex.DecodeString(value)
	if err != nil || len(b) != sha256.Size {
		return nil, fmt.Errorf("%s is %q; allowed: %s", param, value, allowed)
	}
	return b, nil
}

// errRedirect keeps a server from sending us to one that nobody pinned.
var errRedirect = errors.New("the server points to another address; allowed: the text itself")

func refuseRedirect(*http.Request, []*http.Request) error { return errRedirect }

// pinned trusts the certificate with that digest: as the server's own,
// whatever name it has, or as the CA of a certificate for that host.
func pinned(want []byte, host string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: true, // checkChain verifies against the certificate of the fingerprint
		VerifyConnection:   func(s tls.ConnectionState) error { return checkChain(s.PeerCertificates, want, host) }}
}

func checkChain(chain []*x509.Certificate, want []byte, host string) error {
	if len(chain) == 0 {
		return errors.New("the server shows no certificate")
	}
	roots, between, found := x509.NewCertPool(), x509.NewCertPool(), false
	for i, c := range chain {
		sum := sha256.Sum256(c.Raw)
		match := bytes.Equal(sum[:], want)
		switch {
		case match && i == 0:
			return nil
		case match:
			roots.AddCert(c)
			found = true
		default:
			between.AddCert(c)
		}
	}
	if !found {
		sum := sha256.Sum256(chain[0].Raw)
		return fmt.Errorf("%s names none of the certificates that the server shows; its own is sha256:%x", ParamCA, sum)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: host}); err != nil {
		return fmt.Errorf("the server's certificate: %w", err)
	}
	return nil
}
