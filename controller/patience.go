package controller

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// maxHeader bounds the head of a request, in bytes.
const maxHeader = 64 << 10

// patience is how long clients are waited for, and how many connections they
// may have. Bodies have their own pace; see the kit.
type patience struct {
	header time.Duration // for TLS and the head of a request
	idle   time.Duration // between two requests
	answer time.Duration // for an answer to be taken, unless it streams

	connections int // of everybody
	perAddress  int
}

var defaultPatience = patience{
	header: 10 * time.Second, idle: 2 * time.Minute, answer: 2 * time.Minute, connections: 8192, perAddress: 512,
}

// http2 are the same bounds where several requests share a connection.
func (p patience) http2() *http.HTTP2Config {
	return &http.HTTP2Config{MaxConcurrentStreams: 100, SendPingTimeout: p.idle, PingTimeout: p.header, WriteByteTimeout: p.answer}
}

// answers gives every answer the time after which its client is given up.
func (p patience) answers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(p.answer)) // both versions of HTTP can
		next.ServeHTTP(w, r)
	})
}

// listener closes connections beyond the bounds as soon as they come: they
// are not even read from.
func (p patience) listener(l net.Listener) net.Listener {
	return &boundedListener{Listener: l, patience: p, by: map[string]int{}}
}

type boundedListener struct {
	net.Listener
	patience patience

	mu    sync.Mutex // guards the rest
	total int
	by    map[string]int // by address
}

// Accept waits for a connection within the bounds.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := hostOf(c.RemoteAddr())
		if l.enter(from) {
			return &boundedConn{Conn: c, leave: sync.OnceFunc(func() { l.leave(from) })}, nil
		}
		c.Close()
	}
}

func (l *boundedListener) enter(from string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.patience.connections || l.by[from] >= l.patience.perAddress {
		return false
	}
	l.total++
	l.by[from]++
	return true
}

func (l *boundedListener) leave(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.by[from]--; l.by[from] == 0 {
		delete(l.by, from)
	}
}

// A boundedConn gives its place back when it is closed.
type boundedConn struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *boundedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// hostOf is an address without its port.
func hostOf(a net.Addr) string {
	if host, _, err := net.SplitHostPort(a.String()); err == nil {
		return host
	}
	return a.String()
}
