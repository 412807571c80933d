package controller

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A front is the two ports: it answers from the first moment on, and with the
// services as soon as they are there.
type front struct {
	log      *slog.Logger
	patience patience
	metrics  http.Handler

	mu        sync.RWMutex // guards the rest
	waiting   string       // what for; empty: nothing
	cloud     *Cloud
	connected func() error // of the broker
}

func newFront(log *slog.Logger, metrics http.Handler) *front {
	return &front{log: log, patience: defaultPatience, metrics: metrics}
}

// waitFor says what is not there yet.
func (f *front) waitFor(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = what
}

// open puts the services behind the ports.
func (f *front) open(c *Cloud, connected func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting, f.cloud, f.connected = "", c, connected
}

// listen opens both ports and serves them until ctx ends.
func (f *front) listen(ctx context.Context, g *errgroup.Group, c Config) error {
	pair := &keyPair{cert: c.Cert, key: c.Key}
	if _, err := pair.get(nil); err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	roots, err := readRoots(c.CA)
	if err != nil {
		return err
	}
	public := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get, NextProtos: []string{"h2", "http/1.1"}}
	nodes := public.Clone()
	nodes.ClientAuth, nodes.ClientCAs, nodes.VerifyConnection = tls.RequireAndVerifyClientCert, roots, works
	for _, p := range []struct {
		address string
		tls     *tls.Config
		handler http.Handler
	}{
		{c.Listen, public, f.patience.answers(f.gate(func(c *Cloud) http.Handler { return c.Public }))},
		{c.NodeListen, nodes, f.monitored(f.gate(func(c *Cloud) http.Handler { return c.Nodes }))},
	} {
		l, err := listenTCP(ctx, p.address)
		if err != nil {
			return err
		}
		g.Go(func() error { return f.serve(ctx, tls.NewListener(f.patience.listener(l), p.tls), p.handler) })
	}
	return nil
}

// works refuses the certificate by which a node that starts asks the deployer
// for the key of its data: it lies open on its disk, and is good for that alone.
func works(s tls.ConnectionState) error {
	if len(s.PeerCertificates) > 0 && slices.Contains(s.PeerCertificates[0].Subject.OrganizationalUnit, "unlock") {
		return errors.New("the client certificate is good for the key of a node's data alone; needed: that of a node or a service")
	}
	return nil
}

// serve answers on a listener until ctx ends, and lets requests that are under
// way finish for a while.
func (f *front) serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: f.patience.header, IdleTimeout: f.patience.idle, MaxHeaderBytes: maxHeader,
		HTTP2:    f.patience.http2(),
		ErrorLog: slog.NewLogLogger(f.log.With("service", "http").Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := s.Shutdown(grace)
	if err != nil { // downloads that take longer are cut
		err = s.Close()
	}
	if e := <-done; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// gate answers /healthz itself and everything else by the services, once they
// are there.
func (f *front) gate(of func(*Cloud) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.RLock()
		waiting, c, connected := f.waiting, f.cloud, f.connected
		f.mu.RUnlock()
		switch {
		case c == nil:
			w.Header().Set("Retry-After", "2")
			http.Error(w, "waiting for "+waiting, http.StatusServiceUnavailable)
		case r.URL.Path == "/healthz":
			health(w, connected)
		default:
			of(c).ServeHTTP(w, r)
		}
	})
}

// health is GET /healthz. The APIs answer without the broker, so its absence
// is said but is no failure.
func health(w http.ResponseWriter, connected func() error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
	if connected() != nil {
		fmt.Fprintln(w, "waiting for the broker")
	}
}

// welcome is GET /: what this is, for somebody who looks at it in a browser.
func welcome(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	fmt.Fprint(w, `<!doctype html>
<html lang="en">
<title>Cairn</title>
<h1>Cairn</h1>
<p>This is a cloud. It speaks OpenStack's APIs:</p>
<ul>
`)
	for _, e := range endpoints {
		fmt.Fprintf(w, "<li>%s at <code>%s</code></li>\n", e.Type, e.Path)
	}
	fmt.Fprint(w, `</ul>
<p>Sign in with an OpenStack client: the address for signing in (auth_url) is this page's address and <code>/identity/v3</code>.</p>
</html>
`)
}

// keyPair is a certificate in two files, read again when they have changed.
type keyPair struct {
	cert, key string

	mu     sync.Mutex // guards the rest
	loaded time.Time  // the certificate file's time
	pair   *tls.Certificate
}

func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	info, err := os.Stat(k.cert)
	if err != nil || k.pair != nil && info.ModTime().Equal(k.loaded) {
		return k.pair, orNil(err, k.pair != nil)
	}
	pair, err := tls.LoadX509KeyPair(k.cert, k.key)
	if err != nil {
		return k.pair, orNil(err, k.pair != nil)
	}
	k.pair, k.loaded = &pair, info.ModTime()
	return k.pair, nil
}

// orNil forgets an error that there is a way around.
func orNil(err error, around bool) error {
	if around {
		return nil
	}
	return err
}

func readRoots(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificate authority: %s holds no certificate", path)
	}
	return roots, nil
}
