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

type doneKey struct{}

// A recorder notes status and size of an answer.
type recorder struct {
	http.ResponseWriter
	done *Done
}

// WriteHeader notes the status.
func (w *recorder) WriteHeader(code int) {
	if w.done.Status == 0 {
		w.done.Status = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write notes the size.
func (w *recorder) Write(b []byte) (int, error) {
	if w.done.Status == 0 {
		w.done.Status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.done.Bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// outer is what every request passes first: its id, the bounds, the access
// log, those who want to know of it, and the rescue from a panic.
func (s *Server) outer(o Options, next http.Handler) http.Handler {
	limits := &limiter{Limits: o.Limits, by: map[string]int{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := cloud.NewRequestID()
		w.Header().Set(headerRequestID, id)
		d := begin(r, id)
		rw := &recorder{w, d}
		s.underWay.Add(1)
		defer func() {
			s.underWay.Add(-1)
			if p := recover(); p != nil {
				o.Log.Error("panic", "request", id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if d.Status == 0 {
					http.Error(rw, "internal error", http.StatusInternalServerError)
				}
			}
			d.Took = time.Since(d.Began)
			o.Log.LogAttrs(context.WithoutCancel(r.Context()), slog.LevelInfo, "request", d.attrs()...)
			for _, tell := range o.Tell {
				tell(d)
			}
		}()
		leave, err := limits.enter(r, d.From)
		if err != nil {
			refuse(rw, err)
			return
		}
		defer leave()
		ctx := context.WithValue(cloud.WithRequestID(r.Context(), id), doneKey{}, d)
		next.ServeHTTP(rw, r.WithContext(ctx))
	})
}

func isRequestID(s string) bool {
	rest, ok := strings.CutPrefix(s, "req-")
	return ok && cloud.IsID(rest)
}

// handling says how a handler is reached.
type handling struct {
	public, stream, login bool
	route                 string // the pattern, with the service's path and version; empty: none
	resource              string
}

// handling is how something below the service's version is reached.
func (b *bound) handling(path string) handling { return handling{route: b.service.at(path)} }

// handler makes an http.HandlerFunc of a function that returns an error.
func (b *bound) handler(h handling, f func(ctx context.Context, c *Call) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := w.Header().Get(headerRequestID)
		for _, name := range b.service.Dialect.RequestIDs {
			w.Header().Set(name, id)
		}
		c := &Call{service: b, w: w, r: r, Log: b.log.With("request", id), done: doneOf(r)}
		c.done.Service, c.done.Route, c.done.Resource, c.done.Login = b.service.Name, h.route, h.resource, h.login
		if h.stream {
			b.stream(c)
		} else {
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

// doneOf is what is noted of a request.
func doneOf(r *http.Request) *Done {
	if d, ok := r.Context().Value(doneKey{}).(*Done); ok {
		return d
	}
	return &Done{}
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
	c.done.Caller = &caller
	return &caller, nil
}
