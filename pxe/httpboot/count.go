package httpboot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// A Counter counts answers, and requests that got none, or no good one.
// tally.Counter is one.
type Counter interface {
	Pass(what string)
	Refuse(reason, detail string)
}

// A Meter counts bytes that left. tally.Counter is one.
type Meter interface {
	Sent(what string, bytes int64)
}

// reason is the word for an answer that is a refusal.
func reason(code int) string {
	switch code {
	case http.StatusBadRequest:
		return "bad-request"
	case http.StatusUnauthorized:
		return "ticket"
	case http.StatusForbidden:
		return "denied"
	case http.StatusNotFound:
		return "not-found"
	case http.StatusMethodNotAllowed:
		return "method"
	case http.StatusConflict:
		return "state"
	case http.StatusLocked:
		return "locked"
	case http.StatusRequestEntityTooLarge:
		return "too-large"
	case http.StatusRequestedRangeNotSatisfiable:
		return "range"
	case http.StatusBadGateway:
		return "bmc"
	}
	return "fault" // that says that we failed
}

// Counted counts the answers of h.
func Counted(h http.Handler, count Counter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l, ok := r.Context().Value(lifeKey{}).(*life); ok {
			l.served.Store(true)
		}
		seen := &recorder{ResponseWriter: w, code: http.StatusOK}
		h.ServeHTTP(seen, r)
		if seen.code < http.StatusBadRequest {
			count.Pass("answer")
			return
		}
		count.Refuse(reason(seen.code), fmt.Sprintf("%s %s from %s: %s", r.Method, r.URL.Path, host(r.RemoteAddr), strings.TrimSpace(seen.said.String())))
	})
}

func host(addr string) string {
	h, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return h
}

// A recorder remembers the code and, of a refusal, the beginning of the text.
type recorder struct {
	http.ResponseWriter
	code int
	said bytes.Buffer
}

// maxSaid is how many bytes of a refusal are remembered.
const maxSaid = 160

func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.code >= http.StatusBadRequest {
		r.said.Write(b[:min(len(b), maxSaid-r.said.Len())])
	}
	return r.ResponseWriter.Write(b)
}

// ReadFrom lets the kernel copy files (sendfile).
func (r *recorder) ReadFrom(from io.Reader) (int64, error) {
	if to, ok := r.ResponseWriter.(io.ReaderFrom); ok {
		return to.ReadFrom(from)
	}
	return io.Copy(struct{ io.Writer }{r}, from)
}

// A metered answer counts its bytes, head and what the kernel holds aside.
type metered struct {
	http.ResponseWriter
	bytes int64
}

func (m *metered) Write(b []byte) (int, error) {
	n, err := m.ResponseWriter.Write(b)
	m.bytes += int64(n)
	return n, err
}

// ReadFrom lets the kernel copy files (sendfile).
func (m *metered) ReadFrom(from io.Reader) (n int64, err error) {
	if to, ok := m.ResponseWriter.(io.ReaderFrom); ok {
		n, err = to.ReadFrom(from)
	} else {
		n, err = io.Copy(struct{ io.Writer }{m.ResponseWriter}, from)
	}
	m.bytes += n
	return n, err
}

// Unwrap leads a ResponseController to deadlines.
func (m *metered) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// Unwrap leads a ResponseController to deadlines.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// complaints counts what the HTTP server itself complains of: handshakes that
// fail, connections that break.
type complaints struct{ count Counter }

func (c complaints) Write(b []byte) (int, error) {
	text := strings.TrimSpace(string(b))
	if rest, ok := strings.CutPrefix(text, "http: TLS handshake error from "); ok {
		c.count.Refuse("tls", rest)
	} else {
		c.count.Refuse("fault", text)
	}
	return len(b), nil
}

// connections counts those that came to nothing, and keeps the number of all
// below a limit.
type connections struct {
	count Counter
	free  chan struct{} // has an element for each open one
	plain bool          // not TLS, whose handshakes count for themselves

	mu   sync.Mutex
	open map[net.Conn]*life // guarded by mu
}

// A life is what came of a connection.
type life struct {
	active bool        // sent something
	served atomic.Bool // got an answer of ours
}

// lifeKey is the key of the life in the context of a request.
type lifeKey struct{}

func (c *connections) context(ctx context.Context, conn net.Conn) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &life{}
	c.open[conn] = l
	return context.WithValue(ctx, lifeKey{}, l)
}

func (c *connections) state(conn net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.open[conn]
	switch s {
	case http.StateActive:
		if l != nil {
			l.active = true
		}
	case http.StateClosed, http.StateHijacked:
		<-c.free
		delete(c.open, conn)
		if l == nil || l.served.Load() {
			return
		}
		switch from := "connection from " + host(conn.RemoteAddr().String()); {
		case l.active:
			c.count.Refuse("malformed", from)
		case c.plain:
			c.count.Refuse("no-request", from)
		}
	}
}
