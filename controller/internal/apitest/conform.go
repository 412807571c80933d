package apitest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// Conform holds every resource of a service to what all resources must do:
// without a token 401; an unknown id 404 (identity: to administrators); an
// unknown marker, sort key or limit 400; paging visits each row once, for
// what is in the tables; an unknown method 405; bodies that are too large, too
// deep, of another type or no object refused; null and values of another type
// refused where a field has neither; what an update leaves out stays. What
// needs rows of a certain project is tried by the tests of the controller.
func Conform(t *testing.T, h http.Handler, s api.Service) {
	t.Helper()
	for _, r := range s.Resources {
		i := r.Info()
		if strings.Contains(i.Path, "{") {
			continue // below another resource: its transcripts say what it does
		}
		t.Run(s.Name+i.Path, func(t *testing.T) {
			c := conformance{t, h, s.Path + "/" + s.Version + i.Path, i, s.Dialect.UpdateMethod}
			c.noToken()
			c.unknownID()
			c.badQueries()
			c.paging()
			c.unknownMethod()
			c.hostileBodies()
			c.wrongValues()
			c.emptyUpdate()
		})
	}
}

type conformance struct {
	t    *testing.T
	h    http.Handler
	path string
	info api.Info
	puts string // the method of updates
}

// ask makes a request as an administrator, or without a token.
func (c *conformance) ask(method, path, token string) *httptest.ResponseRecorder {
	return c.send(method, path, token, "", "")
}

// send makes a request with a body.
func (c *conformance) send(method, path, token, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(c.t.Context(), method, path, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	return w
}

func (c *conformance) want(status int, method, path, token string) {
	c.t.Helper()
	if w := c.ask(method, path, token); w.Code != status {
		c.t.Errorf("%s %s: status %d, want %d: %s", method, path, w.Code, status, w.Body)
	}
}

func admin() string { return Token("root", "admin", "admin") }

// methods are how an operation is asked for; what is not here is asked for in
// the service's own way.
var methods = map[api.Op]string{api.OpShow: http.MethodGet, api.OpDelete: http.MethodDelete}

func (c *conformance) noToken() {
	if slices.Contains(c.info.Ops, api.OpList) {
		c.want(http.StatusUnauthorized, http.MethodGet, c.path, "")
		c.want(http.StatusUnauthorized, http.MethodGet, c.path, "garbage")
	}
	if slices.Contains(c.info.Ops, api.OpCreate) {
		c.want(http.StatusUnauthorized, http.MethodPost, c.path, "")
	}
	for op, method := range methods {
		if slices.Contains(c.info.Ops, op) {
			c.want(http.StatusUnauthorized, method, c.path+"/x", "")
		}
	}
}

func (c *conformance) unknownID() {
	for op, method := range methods {
		if !slices.Contains(c.info.Ops, op) {
			continue
		}
		for _, id := range []string{cloud.NewID(), "nope", "%2e%2e", "'%20OR%201=1", strings.Repeat("x", 300)} {
			c.want(http.StatusNotFound, method, c.path+"/"+id, admin())
		}
	}
}

func (c *conformance) badQueries() {
	if !slices.Contains(c.info.Ops, api.OpList) {
		return
	}
	for _, q := range []string{"limit=-1", "limit=x", "marker=nope", "sort_key=nope", "sort_key=id&sort_dir=sideways", "sort_key=" + url.QueryEscape("id; DROP TABLE x")} {
		c.want(http.StatusBadRequest, http.MethodGet, c.path+"?"+q, admin())
	}
}

// paging lists one entry at a time and compares with the whole list.
func (c *conformance) paging() {
	if !slices.Contains(c.info.Ops, api.OpList) {
		return
	}
	all := c.ids("")
	var paged []string
	for marker := ""; len(paged) <= len(all); {
		page := c.ids("?limit=1" + marker)
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
		marker = "&marker=" + url.QueryEscape(page[0])
	}
	if !slices.Equal(all, paged) {
		c.t.Errorf("GET %s lists %v, and one by one %v", c.path, all, paged)
	}
}

// ids lists the ids (or names, where they address) of a list.
func (c *conformance) ids(query string) []string {
	w := c.ask(http.MethodGet, c.path+query, admin())
	var body map[string]json.RawMessage
	var entries []map[string]any
	if json.Unmarshal(w.Body.Bytes(), &body) != nil || json.Unmarshal(body[c.info.Plural], &entries) != nil {
		c.t.Fatalf("GET %s%s: status %d, no list %q: %s", c.path, query, w.Code, c.info.Plural, w.Body)
	}
	list := []string{}
	for _, e := range entries {
		if inner, ok := e[c.info.Name].(map[string]any); ok {
			e = inner
		}
		key, ok := e[c.info.Key].(string)
		if !ok {
			c.t.Fatalf("GET %s%s: an entry has no %s: %v", c.path, query, c.info.Key, e)
		}
		list = append(list, key)
	}
	return list
}
