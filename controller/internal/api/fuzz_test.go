package api

import (
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// everything has a field of every kind and with every word.
type everything struct {
	ID     string         `json:"id"      db:"id,key" api:"filter,sort"`
	Name   string         `json:"name"    db:"name"   api:"create,update,required,name,filter,like,sort"`
	Count  int            `json:"count"   db:"count"  api:"create,update,default=1,min=1,max=9,filter,sort"`
	Share  float64        `json:"share"   db:"share"  api:"create,min=0,max=1"`
	On     *bool          `json:"on"      db:"on"     api:"create,update,filter"`
	Kind   string         `json:"kind"    db:"kind"   api:"create,oneof=a|b,also=sort_of"`
	Net    *string        `json:"net"     db:"net"    api:"create,cidr"`
	Mac    *string        `json:"mac"     db:"mac"    api:"create,mac"`
	Under  *string        `json:"under"   db:"under"  api:"create,update,uuid"`
	Secret string         `json:"secret"              api:"create,hidden,max=10"`
	Shelf  string         `json:"shelf"   db:"shelf"  api:"create,setadmin,admin"`
	Tags   []string       `json:"tags"    db:"tags"   api:"create,max=3,name"`
	Parts  []part         `json:"parts"   db:"parts"  api:"create,update"`
	New    string         `json:"new"     db:"new"    api:"create,since=2.5"`
	Made   time.Time      `json:"made"    db:"made"   api:"filter"`
	Rest   map[string]any `                           api:"inline"`
}

type part struct {
	Address string `json:"address" api:"ip,required"`
	Weight  *int   `json:"weight"  api:"min=0"`
}

// fuzzed is a call of a resource of everything, without a database.
func fuzzed(f *testing.F) (*compiled[everything], func(body string) *Call) {
	f.Helper()
	s := &Service{Name: "compute", Path: "/compute", Version: "v2.1", Dialect: ComputeDialect()}
	r, err := compile(Resource[everything]{Name: "thing", Path: "/things", Owner: Cloud}, s.Dialect)
	if err != nil {
		f.Fatal(err)
	}
	return r, func(body string) *Call {
		return &Call{
			service: &bound{service: s}, r: httptest.NewRequest("POST", "/", strings.NewReader(body)), w: httptest.NewRecorder(),
			Caller: &cloud.Caller{}, Version: Version{2, 9}, done: &Done{},
		}
	}
}

// isClients tells whether an error is the client's to mend.
func isClients(err error) bool {
	k := cloud.KindOf(err)
	return err == nil || k == cloud.KindBadRequest || k == cloud.KindForbidden || k == cloud.KindUnsupportedMedia || k == cloud.KindTooLarge
}

// Whatever a body is, it is taken or it is the client's mistake; what is taken
// holds to the words of its fields and can be written again.
func FuzzBody(f *testing.F) {
	r, call := fuzzed(f)
	for _, body := range []string{
		`{"thing": {"name": "x", "count": 3, "tags": ["a"], "parts": [{"address": "::1", "weight": null}], "under": null, "more": {"a": [1]}}}`,
		`{"thing": {"name": "x", "sort_of": "a", "kind": "b"}}`, `{"thing": []}`, `[[[[`, `{"a":1,"A":2}`, "\xff", `{"thing": {"count": 1e400}}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, op := range []Op{OpCreate, OpUpdate} {
			c, in := call(body), new(everything)
			err := c.readBody()
			if err == nil {
				err = r.openBody(c)
			}
			if err == nil {
				err = c.decode(r.shape, reflect.ValueOf(in).Elem(), c.body, op, "")
			}
			if !isClients(err) {
				t.Fatalf("%s %q: %v", op, body, err)
			}
			if err == nil {
				holds(t, c, r, in, op)
			}
		}
	})
}

func holds(t *testing.T, c *Call, r *compiled[everything], in *everything, op Op) {
	if op == OpCreate && (in.Name == "" || in.Count < 1 || in.Count > 9) || len(in.Tags) > 3 || in.Shelf != "" || in.ID != "" {
		t.Fatalf("%s took %+v", op, in)
	}
	if _, err := appendJSON(nil, c.encode(r.shape, reflect.ValueOf(in).Elem(), OpShow, false)); err != nil {
		t.Fatalf("%s took %+v, which cannot be shown: %v", op, in, err)
	}
}

// Whatever a query is, it makes conditions on columns that there are, or it is
// the client's mistake.
func FuzzQuery(f *testing.F) {
	r, call := fuzzed(f)
	for _, q := range []string{
		"limit=1&marker=x&sort_key=name&sort_dir=desc", "sort=name:asc,count:desc", "count=1&count=x", "on=maybe", "made=2026-01-01T00:00:00Z",
		"name=%25_", "limit=-1", "limit=99999999999999999999", "sort_key=id%3B", "page_reverse=True", ";", "%zz",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return // what net/url refuses, it leaves out of a request's values
		}
		conds, err := r.filters(t.Context(), call(""), values)
		if !isClients(err) {
			t.Fatalf("filters of %q: %v", text, err)
		}
		sorts, err := r.sorts(values)
		if !isClients(err) {
			t.Fatalf("order of %q: %v", text, err)
		}
		p, err := r.page(values)
		if !isClients(err) || err == nil && (p.limit < -1 || p.limit > r.dialect.MaxLimit) {
			t.Fatalf("page of %q: %+v, %v", text, p, err)
		}
		known := func(s store.Sort) bool {
			return slices.ContainsFunc(r.shape.fields, func(f field) bool { return f.column == s.Column && f.sort })
		}
		if len(conds) > len(r.shape.fields) || slices.ContainsFunc(sorts, func(s store.Sort) bool { return !known(s) }) {
			t.Fatalf("%q: %v, %v", text, conds, sorts)
		}
	})
}

// Whatever stands in the header of a version, the version is one that is
// served or the answer says that it is not; and it goes back without what may
// not stand in a header.
func FuzzVersion(f *testing.F) {
	for _, s := range []string{"compute 2.1", "compute latest", "compute 2.99", "network 1, compute 2.5", "compute", "compute 2.+1", "compute \x00\r\nX: y", ",,,"} {
		f.Add(s, s)
	}
	m := &microversions{name: "compute", legacy: "X-OpenStack-Nova-API-Version", min: Version{2, 1}, max: Version{2, 93}}
	f.Fuzz(func(t *testing.T, header, legacy string) {
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Header["Openstack-Api-Version"], r.Header["X-Openstack-Nova-Api-Version"] = []string{header}, []string{legacy}
		v, err := m.negotiate(w, r)
		if err == nil && (v.Less(m.min) || m.max.Less(v)) {
			t.Fatalf("%q %q: version %s", header, legacy, v)
		}
		if k := cloud.KindOf(err); err != nil && k != cloud.KindBadRequest && k != cloud.KindNotAcceptable {
			t.Fatalf("%q %q: %v", header, legacy, err)
		}
		for name, values := range w.Header() {
			if strings.ContainsFunc(strings.Join(values, ""), func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Fatalf("%q %q: header %s: %q", header, legacy, name, values)
			}
		}
	})
}
