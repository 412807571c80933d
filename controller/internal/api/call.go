package api

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
)

// A Call is one request on its way through a service.
type Call struct {
	Caller  *cloud.Caller // nil on a Public route without a token
	Version Version       // the microversion that was negotiated
	Op      Op
	Log     *slog.Logger // knows the request's id

	service *bound
	done    *Done // what is noted of it
	w       http.ResponseWriter
	r       *http.Request
	body    json.RawMessage            // the object inside the envelope
	present map[string]json.RawMessage // its members
	status  int                        // what a handler wants instead of the usual
}

// Has tells whether the body has the member, be it null.
func (c *Call) Has(name string) bool {
	_, ok := c.present[name]
	return ok
}

// Null tells whether the body has the member as null.
func (c *Call) Null(name string) bool { return string(c.present[name]) == "null" }

// Raw is a member of the body as it came; nil if absent.
func (c *Call) Raw(name string) json.RawMessage { return c.present[name] }

// Body is the object of the request: what is inside the envelope or, for an
// action, its value. It may be null.
func (c *Call) Body() json.RawMessage { return c.body }

// Param is a parameter of the path, unescaped.
func (c *Call) Param(name string) string {
	v := chi.URLParam(c.r, name)
	if c.r.URL.RawPath == "" {
		return v
	}
	if u, err := url.PathUnescape(v); err == nil {
		return u
	}
	return v
}

// Query is the request's query.
func (c *Call) Query() url.Values { return c.r.URL.Query() }

// Since tells whether the negotiated microversion is at least v, like "2.47".
func (c *Call) Since(v string) bool {
	w, err := ParseVersion(v)
	return err == nil && !c.Version.Less(w)
}

// Request is the HTTP request.
func (c *Call) Request() *http.Request { return c.r }

// Writer is the HTTP answer, for handlers that stream.
func (c *Call) Writer() http.ResponseWriter { return c.w }

// Header is the header of the answer.
func (c *Call) Header() http.Header { return c.w.Header() }

// Status makes the answer's status another one than the operation's.
func (c *Call) Status(code int) { c.status = code }

// Host is the scheme and host by which the client reached the cloud, like
// "https://10.20.0.11".
func (c *Call) Host() string { return hostOf(c.r) }

// Base is the address of the service as the client reached it, without
// version: "https://10.20.0.11/compute".
func (c *Call) Base() string { return c.Host() + c.service.service.Path }

// URL is the address of a path of the service, version included:
// URL("/servers/1") is "https://10.20.0.11/compute/v2.1/servers/1".
func (c *Call) URL(path string) string { return c.Base() + "/" + c.service.service.Version + path }

// Allows tells whether a rule of the service lets the caller do it to the
// target; nil as target is the caller's own project and user.
func (c *Call) Allows(rule string, target policy.Target) bool {
	return c.service.policy.Allows(c.Caller, rule, c.own(target))
}

// Allow is Allows as an error: Forbidden.
func (c *Call) Allow(rule string, target policy.Target) error {
	err := c.service.policy.Allow(c.Caller, rule, c.own(target))
	if err != nil {
		c.done.Refused = rule
	}
	return err
}

func (c *Call) own(t policy.Target) policy.Target {
	if t != nil || c.Caller == nil {
		return t
	}
	return policy.Target{"project_id": c.Caller.ProjectID, "user_id": c.Caller.UserID, "domain_id": c.Caller.DomainID}
}

// Claims notes who somebody says to be who logs in: for the audit of a log-in
// that fails.
func (c *Call) Claims(who string) { c.done.Claimed = cut(who, 64) }

// Proved notes who a log-in proved to be.
func (c *Call) Proved(who *cloud.Caller) { c.done.Caller = who }

// Target notes the id of what a route that belongs to no resource is done to,
// for the audit.
func (c *Call) Target(id string) { c.done.Target = cut(id, 255) }

// JSON answers with a body.
func (c *Call) JSON(code int, body any) error {
	b, err := appendJSON(nil, body)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(code)
	_, _ = c.w.Write(b) // the client has gone: nobody to tell
	return nil
}

// Empty answers without a body.
func (c *Call) Empty(code int) error {
	c.w.WriteHeader(code)
	return nil
}

// Read decodes the whole body of a plain route into to, as JSON with the
// checks that all bodies get (size, depth, duplicate members).
func (c *Call) Read(to any) error {
	if err := c.readBody(); err != nil {
		return err
	}
	return unmarshal(c.body, to, "body")
}

// hostOf is scheme and host of a request. The port behind TLS is ours, so
// X-Forwarded-* are not believed.
func hostOf(r *http.Request) string {
	scheme := "https"
	if r.TLS == nil {
		scheme = "http"
	}
	host := strings.Map(func(c rune) rune {
		if strings.ContainsRune("\"'<>\\ \t\r\n", c) {
			return -1
		}
		return c
	}, r.Host)
	return scheme + "://" + host
}
