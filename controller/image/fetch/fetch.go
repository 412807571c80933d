package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// Options are the fence. Empty lists have the defaults that are named.
type Options struct {
	Schemes      []string       // "https", "http"; both
	Ports        []int          // 80, 443
	Hosts        []string       // names that may be asked; ".example.org": and all below it. Empty: any
	RefusedHosts []string       // names that may not, though Hosts has them
	Networks     []netip.Prefix // that may be reached though they are not public; never this machine or a link
	Refused      []netip.Prefix // that may not be reached, besides those that are not public and this machine's
	MaxRedirects int            // 5; negative: none
	MaxSize      int64          // bytes
	Timeout      time.Duration  // of a whole download; 6 hours
	Patience     time.Duration  // without a byte; a minute
	RootCAs      *x509.CertPool // nil: the system's
	Resolver     *net.Resolver  // nil: the system's
}

// A Client downloads.
type Client struct {
	o    Options
	http *http.Client
}

// New makes a client. It fails if the options name what there is not.
func New(o Options) (*Client, error) {
	o = o.complete()
	for _, s := range o.Schemes {
		if s != "http" && s != "https" {
			return nil, fmt.Errorf("scheme %q; allowed: http, https", s)
		}
	}
	for _, p := range o.Ports {
		if p < 1 || p > 65535 {
			return nil, fmt.Errorf("port %d; allowed: 1 to 65535", p)
		}
	}
	if o.MaxSize <= 0 {
		return nil, fmt.Errorf("largest download of %d bytes; allowed: 1 and more", o.MaxSize)
	}
	c := &Client{o: o}
	dialer := &net.Dialer{Timeout: 30 * time.Second, Resolver: o.Resolver, ControlContext: c.o.control}
	c.http = &http.Client{
		CheckRedirect: c.redirect,
		Transport: &http.Transport{ // Proxy is nil: none, whatever the environment says
			DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
			TLSHandshakeTimeout: 30 * time.Second, ResponseHeaderTimeout: o.Patience, MaxResponseHeaderBytes: 64 << 10,
		},
	}
	return c, nil
}

// complete fills in the defaults.
func (o Options) complete() Options {
	if len(o.Schemes) == 0 {
		o.Schemes = []string{"http", "https"}
	}
	if len(o.Ports) == 0 {
		o.Ports = []int{80, 443}
	}
	if o.MaxRedirects == 0 {
		o.MaxRedirects = 5
	}
	if o.Timeout == 0 {
		o.Timeout = 6 * time.Hour
	}
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	return o
}

// Check refuses a URL that could not be downloaded whatever it leads to.
func (c *Client) Check(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return cloud.BadRequest("The uri %.128q is no URL.", text)
	}
	return c.check(u)
}

func (c *Client) check(u *url.URL) error {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	n, err := strconv.Atoi(port)
	switch {
	case !slices.Contains(c.o.Schemes, u.Scheme):
		return cloud.BadRequest("The uri has the scheme %.32q; allowed: %s.", u.Scheme, strings.Join(c.o.Schemes, ", "))
	case u.Opaque != "" || u.Hostname() == "":
		return cloud.BadRequest("The uri names no host.")
	case u.User != nil:
		return cloud.BadRequest("The uri has a user name in it; that is not allowed.")
	case err != nil || !slices.Contains(c.o.Ports, n):
		return cloud.BadRequest("The uri has the port %.8s; allowed: %v.", port, c.o.Ports)
	case !c.o.names(u.Hostname()):
		return cloud.BadRequest("The uri's host %.255q is not one that the cloud downloads from.", u.Hostname())
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !c.o.permits(netip.AddrPortFrom(a, uint16(n)), nil) {
		return cloud.BadRequest("The uri's address %s is not one that the cloud downloads from.", u.Hostname())
	}
	return nil
}

// names tells whether a host may be asked by its name.
func (o *Options) names(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	match := func(want string) bool {
		want = strings.ToLower(want)
		return host == strings.TrimPrefix(want, ".") || strings.HasPrefix(want, ".") && strings.HasSuffix(host, want)
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.ContainsFunc(o.RefusedHosts, match) {
		return false
	}
	return len(o.Hosts) == 0 || slices.ContainsFunc(o.Hosts, match)
}

// redirect holds where a server sends us to the same rules; it never leads
// from TLS to plain text.
func (c *Client) redirect(next *http.Request, via []*http.Request) error {
	switch {
	case len(via) > c.o.MaxRedirects:
		return cloud.BadRequest("The download is redirected more than %d times.", max(c.o.MaxRedirects, 0))
	case via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https":
		return cloud.BadRequest("The download is redirected from https to %.32s; that is not allowed.", next.URL.Scheme)
	}
	next.Header.Del("Referer")
	return c.check(next.URL)
}

// Open begins a download. Errors that are the client's to know are a
// [cloud.Error]; all of them are.
func (c *Client) Open(ctx context.Context, text string) (*Body, error) {
	if err := c.Check(text); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	b := &Body{ctx: ctx, cancel: cancel, left: c.o.MaxSize, max: c.o.MaxSize, patience: c.o.Patience, Size: -1}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, text, nil)
	if err != nil {
		cancel()
		return nil, cloud.BadRequest("The uri %.128q is no URL.", text).Because(err)
	}
	r.Header.Set("User-Agent", "Cairn-image")
	resp, err := c.http.Do(r)
	if err != nil {
		cancel()
		return nil, explain(err)
	}
	if err := c.accept(resp, b); err != nil {
		cancel()
		return nil, errors.Join(err, resp.Body.Close())
	}
	b.body, b.timer = resp.Body, time.AfterFunc(c.o.Patience, cancel)
	return b, nil
}

// accept looks at the head of an answer.
func (c *Client) accept(resp *http.Response, b *Body) error {
	packed := resp.Header.Get("Content-Encoding")
	switch {
	case resp.StatusCode != http.StatusOK:
		return cloud.BadRequest("The server of the uri answers %d; wanted: 200.", resp.StatusCode)
	case packed != "" && !strings.EqualFold(packed, "identity"):
		return cloud.BadRequest("The server of the uri sends the Content-Encoding %.32q; allowed: none.", packed)
	case resp.ContentLength > c.o.MaxSize:
		return cloud.Errorf(cloud.KindTooLarge, "The download has %d bytes; allowed: %d.", resp.ContentLength, c.o.MaxSize)
	}
	b.Size = resp.ContentLength
	return nil
}

// explain makes of what the HTTP client says something for the client of the
// cloud; the rest is the log's.
func explain(err error) error {
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		return e
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	certificate, isTLS := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case errors.Is(err, errFenced):
		return cloud.BadRequest("The uri leads to an address that the cloud does not download from.").Because(err)
	case isDNS:
		return cloud.BadRequest("The uri's host %.255q has no address.", dns.Name).Because(err)
	case isTLS:
		return cloud.BadRequest("The server of the uri has no good certificate: %v.", certificate.Err).Because(err)
	case errors.Is(err, context.DeadlineExceeded):
		return cloud.BadRequest("The download took too long.").Because(err)
	default:
		return cloud.BadRequest("The server of the uri does not answer as it should.").Because(err)
	}
}
