package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

const headerRequestID = "X-Openstack-Request-Id"

// requestTimeout bounds a request that does not stream.
const requestTimeout = 60 * time.Second

// A record is what the access log says of a request in the end.
type record struct {
	service string
	method  string // of the route: what clients write there is theirs
	route   string // its pattern; empty: there is none
	status  int
	bytes   int64
	caller  *cloud.Caller
}

type recordKey struct{}

// A recorder notes status and size of an answer.
type recorder struct {
	http.ResponseWriter
	record *record
}

// WriteHeader notes the status.
func (w *recorder) WriteHeader(code int) {
	if w.record.status == 0 {
		w.record.status = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write notes the size.
func (w *recorder) Write(b []byte) (int, error) {
	if w.record.status == 0 {
		w.record.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.record.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// outer is what every request passes first: its id, the access log, and the
// rescue from a panic.
func outer(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := cloud.NewRequestID()
		w.Header().Set(headerRequestID, id)
		rec := &record{}
		rw := &recorder{w, rec}
		defer func() {
			if p := recover(); p != nil {
				log.Error("panic", "request", id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if rec.status == 0 {
					http.Error(rw, "internal error", http.StatusInternalServerError)
				}
			}
			log.LogAttrs(r.Context(), slog.LevelInfo, "request", rec.attrs(r, id, time.Since(start))...)
		}()
		next.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), recordKey{}, rec)))
	})
}

// attrs are the access log's words; the query is left out: it may hold what
// is nobody's business.
func (rec *record) attrs(r *http.Request, id string, took time.Duration) []slog.Attr {
	a := []slog.Attr{
		slog.String("request", id), slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes), slog.Duration("took", took), slog.String("from", r.RemoteAddr),
	}
	if global := r.Header.Get(headerRequestID); isRequestID(global) {
		a = append(a, slog.String("global_request", global))
	}
	if rec.caller != nil {
		a = append(a, slog.String("user", rec.caller.UserID), slog.String("project", rec.caller.ProjectID))
	}
	return a
}

func isRequestID(s string) bool {
	rest, ok := strings.CutPrefix(s, "req-")
	return ok && cloud.IsID(rest)
}

// handling says how a handler is reached.
type handling struct {
	public, stream bool
	method, route  string // the pattern, with the service's path and version
}

// handling is how something below the service's version is reached.
func (b *bound) handling(method, path string) handling {
	return handling{method: method, route: b.service.at(path)}
}

// handler makes an http.HandlerFunc of a function that returns an error.
func (b *bound) handler(h handling, f func(ctx context.Context, c *Call) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := w.Header().Get(headerRequestID)
		for _, name := range b.service.Dialect.RequestIDs {
			w.Header().Set(name, id)
		}
		c := &Call{service: b, w: w, r: r, Log: b.log.With("request", id)}
		if rec, ok := r.Context().Value(recordKey{}).(*record); ok {
			c.record = rec
		} else {
			c.record = &record{}
		}
		c.record.service, c.record.method, c.record.route = b.service.Name, h.method, h.route
		if !h.stream {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			// A body that comes a byte at a time ends with the request's time;
			// writers that know no deadline (tests) have no slow clients.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(requestTimeout))
			ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
			defer cancel()
			c.r = r.WithContext(ctx)
		}
		if err := b.prepare(c, h); err != nil {
			c.fail(err)
			return
		}
		ctx := cloud.WithCaller(c.r.Context(), c.Caller)
		if err := f(ctx, c); err != nil {
			c.fail(err)
		}
	}
}

// prepare finds out who calls and in which microversion.
func (b *bound) prepare(c *Call, h handling) error {
	if token := c.r.Header.Get("X-Auth-Token"); token != "" || !h.public {
		caller, err := b.authenticate(c, token)
		if err == nil && !h.public {
			err = b.inScope(caller)
		}
		switch {
		case err == nil:
			c.Caller = caller
		case !h.public || cloud.KindOf(err) != cloud.KindUnauthorized:
			return err
		}
	}
	v, err := b.micro.negotiate(c.w, c.r)
	c.Version = v
	return err
}

// inScope refuses callers whose token is for something that the service has
// nothing of.
func (b *bound) inScope(c *cloud.Caller) error {
	allowed := b.service.Dialect.Scopes
	if len(allowed) == 0 || slices.Contains(allowed, c.Scope()) {
		return nil
	}
	return cloud.Forbidden("The %s service needs a token with the scope %s; this one's scope is %s.",
		b.service.Name, strings.Join(allowed, " or "), orElse(c.Scope(), "nothing"))
}

func (b *bound) authenticate(c *Call, token string) (*cloud.Caller, error) {
	if token == "" {
		return nil, cloud.Unauthorized("")
	}
	found, err := b.auth.Authenticate(c.r.Context(), token)
	if err != nil {
		return nil, err
	}
	path := strings.TrimPrefix(c.r.URL.Path, b.service.Path)
	if found.Permits != nil && !found.Permits(b.service.Name, c.r.Method, path) {
		return nil, cloud.Unauthorized("The access rules of the application credential do not permit this request.")
	}
	caller := *found
	caller.RequestID = c.w.Header().Get(headerRequestID)
	c.record.caller = &caller
	return &caller, nil
}
