package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// How long a directory may take: to let us in, for one answer, and for
// everything that is asked in one go.
const (
	connectPatience = 5 * time.Second
	answerPatience  = 10 * time.Second
	wholePatience   = 2 * time.Minute
)

// connections is how many a directory has from us at a time.
const connections = 16

// ErrAway is what all errors are when the directory cannot be asked now.
var ErrAway = errors.New("the directory does not answer")

// A Directory is one that can be asked.
type Directory struct {
	config *Config
	urls   []*url.URL
	free   chan struct{} // has room for each connection that is open
}

// New takes options as [Parse] does, and refuses an url that cannot be used.
// It connects to nothing.
func New(options map[string]any) (*Directory, error) {
	c, err := Parse(options)
	if err != nil {
		return nil, err
	}
	d := &Directory{config: c, free: make(chan struct{}, connections)}
	for text := range strings.SplitSeq(c.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil || u.Scheme != "ldap" && u.Scheme != "ldaps" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
			return nil, refuse("url", text, "ldaps://HOST[:PORT], or ldap://HOST[:PORT] which is made secure by StartTLS")
		}
		d.urls = append(d.urls, u)
	}
	_, err = c.roots()
	return d, err
}

// A Conn is a connection to a directory, which may search.
type Conn struct {
	c       *Config
	ldap    *ldap.Conn
	release func()
}

// Open connects to the first url that answers. The connection must be closed,
// and ends with ctx. Errors are [ErrAway].
func (d *Directory) Open(ctx context.Context) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, wholePatience)
	select {
	case d.free <- struct{}{}:
	case <-ctx.Done():
		cancel()
		return nil, fmt.Errorf("%w: %w", ErrAway, ctx.Err())
	}
	release := func() { cancel(); <-d.free }
	var failed []error
	for _, u := range d.urls {
		conn, err := d.open(ctx, u)
		if err == nil {
			conn.release = release
			return conn, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", u.Host, err))
	}
	release()
	return nil, fmt.Errorf("%w: %w", ErrAway, errors.Join(failed...))
}

// open connects, encrypts and logs in.
func (d *Directory) open(ctx context.Context, u *url.URL) (*Conn, error) {
	roots, err := d.config.roots()
	if err != nil {
		return nil, err
	}
	secure := &tls.Config{ServerName: u.Hostname(), RootCAs: roots, MinVersion: tls.VersionTLS12}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ldap": "389", "ldaps": "636"}[u.Scheme]
	}
	raw, err := (&net.Dialer{Timeout: connectPatience}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	// Whatever waits on the connection gives up with ctx.
	context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	if err := raw.SetDeadline(time.Now().Add(connectPatience)); err != nil {
		raw.Close()
		return nil, err
	}
	conn, err := encrypt(ctx, raw, u.Scheme, secure)
	if err != nil {
		raw.Close()
		return nil, err
	}
	conn.SetTimeout(answerPatience)
	if d.config.User != "" {
		err = conn.Bind(d.config.User, d.config.Password)
	}
	if err == nil {
		end, _ := ctx.Deadline()
		err = raw.SetDeadline(end)
	}
	if err != nil {
		_ = conn.Close() // of no use any more
		return nil, err
	}
	return &Conn{c: d.config, ldap: conn}, nil
}

// encrypt makes a raw connection one that nobody else reads.
func encrypt(ctx context.Context, raw net.Conn, scheme string, secure *tls.Config) (*ldap.Conn, error) {
	if scheme == "ldaps" {
		inside := tls.Client(raw, secure)
		if err := inside.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn := ldap.NewConn(inside, true)
		conn.Start()
		return conn, nil
	}
	conn := ldap.NewConn(raw, false)
	conn.Start()
	conn.SetTimeout(connectPatience)
	if err := conn.StartTLS(secure); err != nil {
		_ = conn.Close() // of no use any more
		return nil, fmt.Errorf("StartTLS: %w", err)
	}
	return conn, nil
}

// Close ends the connection.
func (c *Conn) Close() {
	_ = c.ldap.Close() // nothing is lost: all that was asked is answered
	c.release()
}
