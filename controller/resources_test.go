package controller_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/testcloud"
)

// TestEveryResource holds the resources of all services to what needs rows:
// what belongs to another project does not exist, a list that is paged while
// others insert has each row once, and over quota is the service's own fault.
// The rows are made as testdata/calls says.
func TestEveryResource(t *testing.T) {
	c := testcloud.New(t, testcloud.Options{Nodes: 1})
	people := hire(t, c)
	for _, s := range c.API.Services() {
		tr := people.trier(t, filepath.Join("testdata", "calls", s.Name+".txt"))
		for _, d := range s.Resources {
			info := d.Info()
			how := tr.things[info.Name]
			if how == nil || how.single || how.make[0].method != http.MethodPost || strings.Contains(info.Path, "{") {
				continue // made by something else, or belongs to another resource: the table of who may what has it
			}
			t.Run(s.Name+info.Path, func(t *testing.T) {
				tr.t = t
				r := tried{tr, &s, info, s.Path + "/" + s.Version + info.Path, how}
				r.hidden(t)
				r.paged(t)
				r.overQuota(t)
			})
		}
	}
}

// tried is a resource with how one of its rows is made.
type tried struct {
	*trier
	service *api.Service
	info    api.Info
	path    string
	how     *thing
}

// one makes a row as somebody.
func (r *tried) one(as string) (code int, key, body string) {
	k := r.how.make[0]
	w := r.request(as, k.method, k.path, k, nil)
	if w.Code < 300 {
		key = member(r.t, w, r.how.at)
	}
	return w.Code, key, w.Body.String()
}

// must makes a row.
func (r *tried) must(t *testing.T) string {
	t.Helper()
	code, key, body := r.one(r.how.by)
	if code >= 300 {
		t.Fatalf("make %s: %d %s", r.info.Name, code, body)
	}
	return key
}

// hidden asks for a row of another project or user.
func (r *tried) hidden(t *testing.T) {
	if r.info.Owner == api.Cloud || r.how.by != "member" {
		return
	}
	key := r.must(t)
	for _, method := range []string{http.MethodGet, r.service.Dialect.UpdateMethod, http.MethodDelete} {
		w := r.ask("other", method, r.path+"/"+key, "", nil)
		if w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s %s/%s of another project: %d %s", method, r.path, key, w.Code, w.Body)
		}
		other := r.ask("other", method, r.path+"/"+cloud.NewID(), "", nil)
		if other.Code != w.Code {
			t.Errorf("%s %s: %d for what is another's, %d for what is nobody's", method, r.path, w.Code, other.Code)
		}
	}
}

// paged goes through the list two at a time, and makes a row between pages.
func (r *tried) paged(t *testing.T) {
	if !slices.Contains(r.info.Ops, api.OpList) {
		return
	}
	there := []string{}
	for range 5 {
		there = append(there, r.must(t))
	}
	var seen []string
	for marker := ""; ; {
		page := r.list(t, "?limit=2"+marker)
		if len(page) == 0 || len(seen) > 500 {
			break
		}
		seen = append(seen, page...)
		marker = "&marker=" + page[len(page)-1]
		if len(seen) < 40 { // those who insert do stop
			r.must(t)
		}
	}
	for _, key := range there {
		if n := count(seen, key); n != 1 {
			t.Errorf("GET %s, paged while others insert, has %s %d times: %v", r.path, key, n, seen)
		}
	}
	for _, key := range seen {
		if count(seen, key) != 1 {
			t.Errorf("GET %s, paged while others insert, has %s more than once", r.path, key)
		}
	}
}

func count(list []string, s string) int {
	n := 0
	for _, x := range list {
		if x == s {
			n++
		}
	}
	return n
}

// list are the keys of a page.
func (r *tried) list(t *testing.T, query string) []string {
	t.Helper()
	w := r.ask(r.how.by, http.MethodGet, r.path+query, "", nil)
	var body map[string]json.RawMessage
	var rows []map[string]any
	if json.Unmarshal(w.Body.Bytes(), &body) != nil || json.Unmarshal(body[r.info.Plural], &rows) != nil {
		t.Fatalf("GET %s%s: %d %s", r.path, query, w.Code, w.Body)
	}
	keys := []string{}
	for _, row := range rows {
		if inner, ok := row[r.info.Name].(map[string]any); ok && r.info.WrapItems {
			row = inner
		}
		keys = append(keys, fmt.Sprint(row[r.info.Key]))
	}
	return keys
}

// overQuota makes a row where none may be.
func (r *tried) overQuota(t *testing.T) {
	if r.info.Quota == "" {
		return
	}
	owner := r.known["ours"]
	if r.info.Owner == api.User {
		owner = r.known[r.how.by+"_user"]
	}
	limit := func(n int64) {
		if err := r.service.Quotas.SetLimit(t.Context(), r.service.DB, owner, r.info.Quota, n); err != nil {
			t.Fatal(err)
		}
	}
	limit(0)
	defer limit(-1)
	want := r.service.Dialect.Statuses[cloud.KindOverQuota]
	if want == 0 {
		want = http.StatusRequestEntityTooLarge
	}
	if code, _, body := r.one(r.how.by); code != want || !strings.Contains(strings.ToLower(body), "quota") {
		t.Errorf("POST %s over quota: %d %s; want %d and why", r.path, code, body, want)
	}
}
