package controller_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/testcloud"
)

// TestWhoMayWhat tries every call of every service as everybody, and compares
// what came back with testdata/who-may-what, which CAIRN_UPDATE=1 writes anew.
// A call that is not there yet fails the test, as does a rule of which no call
// makes use. How calls are tried stands in testdata/calls.
func TestWhoMayWhat(t *testing.T) {
	c := testcloud.New(t, testcloud.Options{Nodes: 1})
	people := hire(t, c)
	t.Run("domains", people.apart)
	services := []string{}
	for _, o := range c.API.Operations() {
		if !slices.Contains(services, o.Service) {
			services = append(services, o.Service)
		}
	}
	for _, service := range services {
		t.Run(service, func(t *testing.T) {
			tr := people.trier(t, filepath.Join("testdata", "calls", service+".txt"))
			got := tr.table(slices.DeleteFunc(c.API.Operations(), func(o api.Operation) bool { return o.Service != service }))
			golden(t, filepath.Join("testdata", "who-may-what", service+".txt"), got)
			rules := slices.DeleteFunc(c.API.Unasked(service), func(rule string) bool { return slices.Contains(tr.untried, rule) })
			if len(rules) > 0 {
				t.Errorf("rules of which no call makes use: %v", rules)
			}
		})
	}
}

// apart sees that lists for a domain have what is in it and nothing else, and
// that those for the system have everything.
func (p *people) apart(t *testing.T) {
	for _, what := range []string{"users", "groups", "projects"} {
		p.made(t, "/identity/v3/"+what, fmt.Sprintf(`{%q: {"name": "apart", "domain_id": %q}}`, strings.TrimSuffix(what, "s"), p.known["acme"]))
		p.made(t, "/identity/v3/"+what, fmt.Sprintf(`{%q: {"name": "apart", "domain_id": "default"}}`, strings.TrimSuffix(what, "s")))
		for who, want := range map[string][]string{"dreader": {p.known["acme"]}, "sreader": {p.known["acme"], "default"}} {
			w := p.ask(who, http.MethodGet, "/identity/v3/"+what+"?name=apart", "", nil)
			var body map[string]json.RawMessage
			var rows []struct {
				Domain string `json:"domain_id"`
			}
			if json.Unmarshal(w.Body.Bytes(), &body) != nil || json.Unmarshal(body[what], &rows) != nil {
				t.Fatalf("%s as %s: %d %s", what, who, w.Code, w.Body)
			}
			got := []string{}
			for _, row := range rows {
				got = append(got, row.Domain)
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("domains of the %s that the %s sees (-want +got):\n%s", what, who, diff)
			}
		}
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("CAIRN_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); CAIRN_UPDATE=1 writes it anew, for somebody to look at:\n%s", file, diff)
	}
}

// table tries the operations, in their order, and writes down what came back,
// in alphabetical order. HEAD is tried but has no row: it may what GET may.
func (r *trier) table(ops []api.Operation) string {
	var rows []string
	gets := map[string][]int{}
	for _, o := range ops {
		calls := r.calls[o.String()]
		if len(calls) == 0 {
			calls = []*call{{}}
		}
		for _, k := range calls {
			codes := r.try(o, k)
			switch o.Method {
			case http.MethodHead:
				r.sameAs(o, codes, gets[o.Path])
				continue
			case http.MethodGet:
				gets[o.Path] = codes
			}
			rows = append(rows, row(name(o, k), codes))
		}
		delete(r.calls, o.String())
	}
	for left := range r.calls {
		r.t.Errorf("%s: no service has the call %s", r.file, left)
	}
	slices.Sort(rows)
	head := row("# Who gets which answer, by trying (see permissions_test.go).", nil)
	for _, p := range personas {
		head += fmt.Sprintf("# %-14s %s\n", p.name, p.doc)
	}
	return head + "#\n" + names() + strings.Join(rows, "")
}

// sameAs holds HEAD against GET: the same people get an answer.
func (r *trier) sameAs(o api.Operation, head, get []int) {
	for i := range get {
		if (head[i] < 300) != (get[i] < 300) {
			r.t.Errorf("%s as %s: %d, but GET %d", o, personas[i].name, head[i], get[i])
		}
	}
}

const callWidth = 90

func names() string {
	b := fmt.Sprintf("%-*s", callWidth, "#")
	for _, p := range personas {
		b += fmt.Sprintf(" %*s", max(3, len(p.short)), p.short)
	}
	return b + "\n"
}

func row(name string, codes []int) string {
	if codes == nil {
		return name + "\n"
	}
	b := fmt.Sprintf("%-*s", callWidth, name)
	for i, code := range codes {
		b += fmt.Sprintf(" %*d", max(3, len(personas[i].short)), code)
	}
	return b + "\n"
}

func name(o api.Operation, k *call) string {
	if k.note == "" {
		return o.String()
	}
	return o.String() + " (" + strings.ReplaceAll(k.note, "-", " ") + ")"
}
