package httpboot

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"
)

// Limits of both servers.
const (
	maxConns   = 512
	maxHeaders = 16 << 10         // bytes
	headerTime = 30 * time.Second // with the TLS handshake, on emulated machines
	bodyTime   = time.Minute
	writeTime  = time.Minute // files have more, by their size
	idleTime   = 2 * time.Minute
)

// Serve answers on the listener until the context ends. conf is nil for plain
// HTTP.
func Serve(ctx context.Context, l net.Listener, h http.Handler, conf *tls.Config, count Counter) error {
	open := &connections{count: count, free: make(chan struct{}, maxConns), plain: conf == nil, open: map[net.Conn]*life{}}
	s := &http.Server{
		Handler: Counted(h, count), TLSConfig: conf, MaxHeaderBytes: maxHeaders, ConnState: open.state, ConnContext: open.context,
		ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		ErrorLog: log.New(complaints{count}, "", 0),
	}
	l = limited{l, open, ctx.Done()}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // what is under way is begun again by the clients
	defer stop()
	serve := s.Serve
	if conf != nil {
		serve = func(l net.Listener) error { return s.ServeTLS(l, "", "") }
	}
	if err := serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("HTTP on %s: %w", l.Addr(), err)
	}
	return nil
}

// limited accepts no more connections than there is room for. It hands out the
// connections as they are, so that files are still copied by the kernel.
type limited struct {
	net.Listener
	open *connections
	done <-chan struct{}
}

func (l limited) Accept() (net.Conn, error) {
	select {
	case l.open.free <- struct{}{}:
	default:
		l.open.count.Refuse("full", fmt.Sprintf("%d connections are open; further ones wait", maxConns))
		select {
		case l.open.free <- struct{}{}:
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err // the server ends
	}
	return c, nil
}

// TLSConfig is that of the API: it shows the deployer's certificate and checks
// client certificates of the cluster's CA where they are given.
func TLSConfig(cert tls.Certificate, ca *x509.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		ClientCAs:    pool,
		ClientAuth:   tls.VerifyClientCertIfGiven,
	}
}
