package federation

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// How long an issuer may take to let us in, and for an answer as a whole; and
// how long the answer may be, in bytes.
const (
	connectPatience = 5 * time.Second
	answerPatience  = 10 * time.Second
	mostAnswer      = 1 << 20
)

// newClient speaks https, to no address of this machine or link unless local.
func newClient(roots *x509.CertPool, local bool) *http.Client {
	dialer := &net.Dialer{Timeout: connectPatience, Control: func(_, address string, _ syscall.RawConn) error {
		if local {
			return nil
		}
		return outside(address)
	}}
	return &http.Client{
		Timeout: answerPatience,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: connectPatience, MaxIdleConns: 4, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: 64 << 10, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error { return fmt.Errorf("redirected to %s", r.URL.Host) },
	}
}

// outside refuses addresses that nobody but this machine or link has. It sees
// what a name was resolved to, right before the connection is made.
func outside(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap()
	if ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsInterfaceLocalMulticast() || !ip.IsValid() {
		return fmt.Errorf("%s is an address of this machine or link, where issuers are not asked unless oidc.local is true", ip)
	}
	return nil
}

// secureURL reads an address that may be asked: https, a host, no user,
// query or fragment.
func secureURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is no address that may be asked; allowed: https://HOST/PATH", text)
	}
	return u, nil
}

// answer sends a request and reads a JSON object into to.
func answer(client *http.Client, r *http.Request, to any) (err error) {
	r.Header.Set("Accept", "application/json")
	w, err := client.Do(r)
	if err != nil {
		return err
	}
	defer w.Body.Close()
	if w.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", r.URL.Host, w.Status)
	}
	text, err := io.ReadAll(io.LimitReader(w.Body, mostAnswer+1))
	if err != nil {
		return err
	}
	if len(text) > mostAnswer {
		return errors.New("the answer is too long")
	}
	return json.Unmarshal(text, to)
}

func fetch(ctx context.Context, client *http.Client, address string, to any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	return answer(client, r, to)
}
