package controller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/testcloud"
)

// A persona is somebody in the domain acme, who tries calls.
type persona struct {
	name, short string
	role        string // empty: none
	on          string // what the role is on, and the scope: ours, theirs, helpers, domain, system; empty: no scope
	doc         string
}

// personas are in the order in which they try, those who may most at the end.
var personas = []persona{
	{"nobody", "-", "", "", "has no token"},
	{"stranger", "str", "", "", "a user without a role and without a scope"},
	{"other", "oth", "member", "theirs", "member of another project"},
	{"reader", "rea", "reader", "ours", "reader of the project that owns what is tried"},
	{"member", "mem", "member", "ours", "member of it; what users own is this user's"},
	{"manager", "man", "manager", "ours", "manager of it"},
	{"service", "svc", "service", "helpers", "has the role service in a project of services"},
	{"dreader", "dre", "reader", "domain", "reader of the domain that holds the project"},
	{"dmanager", "dma", "manager", "domain", "manager of it"},
	{"sreader", "sre", "reader", "system", "reader of the system"},
	{"smember", "sme", "member", "system", "member of the system"},
	{"admin", "adm", "admin", "ours", "admin of the project"},
	{"sadmin", "sad", "admin", "system", "admin of the system"},
}

// people are the personas with their tokens.
type people struct {
	cloud  *testcloud.Cloud
	tokens map[string]string
	known  map[string]string // ids by what scripts call them
	count  int               // of names given out
}

// hire makes the domain, the projects and the users.
func hire(t *testing.T, c *testcloud.Cloud) *people {
	t.Helper()
	p := &people{cloud: c, tokens: map[string]string{}, known: map[string]string{}}
	var adminProject = `{"project": {"name": "admin", "domain": {"id": "default"}}}`
	p.tokens["root"] = p.login(t, `"name": "admin", "domain": {"id": "default"}`, c.Password, adminProject)
	p.known["acme"] = p.made(t, "/identity/v3/domains", `{"domain": {"name": "acme"}}`)
	for _, project := range []string{"ours", "theirs", "helpers", "spare"} {
		p.known[project] = p.made(t, "/identity/v3/projects", fmt.Sprintf(`{"project": {"name": %q, "domain_id": %q}}`, project, p.known["acme"]))
	}
	for _, role := range []string{"reader", "member", "manager", "admin", "service"} {
		p.known[role+"_role"] = p.role(t, role)
	}
	for _, who := range personas[1:] {
		id := p.made(t, "/identity/v3/users", fmt.Sprintf(`{"user": {"name": %q, "domain_id": %q, "password": "a long password"}}`, who.name, p.known["acme"]))
		p.known[who.name+"_user"] = id
		p.tokens[who.name] = p.login(t, fmt.Sprintf(`"id": %q`, id), "a long password", p.grant(t, who, id))
	}
	for path, body := range map[string]string{
		"/network/v2.0/quotas/":        `{"quota": {"network": -1, "subnet": -1, "port": -1, "security_group": -1, "security_group_rule": -1}}`,
		"/compute/v2.1/os-quota-sets/": `{"quota_set": {"instances": -1, "cores": -1, "ram": -1}}`,
	} {
		p.must(t, http.MethodPut, path+p.known["ours"], body)
	}
	return p
}

// grant gives somebody the role, and says the scope to log in with.
func (p *people) grant(t *testing.T, who persona, id string) (scope string) {
	t.Helper()
	at := "/users/" + id + "/roles/" + p.known[who.role+"_role"]
	switch who.on {
	case "":
		return `"unscoped"`
	case "system":
		p.must(t, http.MethodPut, "/identity/v3/system"+at, "")
		return `{"system": {"all": true}}`
	case "domain":
		p.must(t, http.MethodPut, "/identity/v3/domains/"+p.known["acme"]+at, "")
		return fmt.Sprintf(`{"domain": {"id": %q}}`, p.known["acme"])
	default:
		p.must(t, http.MethodPut, "/identity/v3/projects/"+p.known[who.on]+at, "")
		return fmt.Sprintf(`{"project": {"id": %q}}`, p.known[who.on])
	}
}

// role is the id of a role, made if it is not there.
func (p *people) role(t *testing.T, name string) string {
	t.Helper()
	var list struct{ Roles []struct{ ID string } }
	w := p.must(t, http.MethodGet, "/identity/v3/roles?name="+name, "")
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Roles) > 0 {
		return list.Roles[0].ID
	}
	return p.made(t, "/identity/v3/roles", fmt.Sprintf(`{"role": {"name": %q}}`, name))
}

func (p *people) login(t *testing.T, user, password, scope string) string {
	t.Helper()
	body := fmt.Sprintf(`{"auth": {"identity": {"methods": ["password"], "password": {"user": {%s, "password": %q}}}, "scope": %s}}`, user, password, scope)
	w := p.ask("", http.MethodPost, "/identity/v3/auth/tokens", body, nil)
	if w.Code != http.StatusCreated {
		t.Fatalf("log in: %d %s", w.Code, w.Body)
	}
	return w.Header().Get("X-Subject-Token")
}

// ask makes a request as somebody.
func (p *people) ask(as, method, path, body string, header map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	if token := p.tokens[as]; token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	w := httptest.NewRecorder()
	p.cloud.Public.ServeHTTP(w, r)
	return w
}

// must asks as the administrator, and wants it done.
func (p *people) must(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := p.ask("root", method, path, body, nil)
	if w.Code >= 300 {
		t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w
}

func (p *people) made(t *testing.T, path, body string) string {
	t.Helper()
	return member(t, p.must(t, http.MethodPost, path, body), "")
}

// member is the text at a place of an answer; no place: the first id.
func member(t *testing.T, w *httptest.ResponseRecorder, at string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if at == "" {
		at = "id"
		if m, ok := v.(map[string]any); ok && len(m) == 1 {
			at = slices.Collect(maps.Keys(m))[0] + ".id"
		}
	}
	for part := range strings.SplitSeq(at, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(x) {
				t.Fatalf("no %s in %s", at, w.Body)
			}
			v = x[i]
		}
	}
	if v == nil {
		t.Fatalf("no %s in %s", at, w.Body)
	}
	return fmt.Sprint(v)
}

// A trier tries the calls of one service.
type trier struct {
	*people
	*script
	t    *testing.T
	made map[string]string // things that are there, by name
}

func (p *people) trier(t *testing.T, file string) *trier {
	return &trier{people: p, script: readScript(t, file), t: t, made: map[string]string{}}
}

// try makes a call as everybody.
func (r *trier) try(o api.Operation, k *call) []int {
	r.t.Helper()
	var codes []int
	fresh := true
	for _, who := range personas {
		args := r.args(o, k, who.name)
		if fresh {
			for _, b := range k.before {
				r.request("admin", b.method, b.path, b, args)
			}
		}
		w := r.request(who.name, o.Method, o.Path, k, args)
		codes = append(codes, w.Code)
		fresh = w.Code < 300
		if w.Code >= 500 {
			r.t.Errorf("%s as %s: %d %s", o, who.name, w.Code, w.Body)
		}
		if fresh && (k.once || o.Method == http.MethodDelete) {
			r.forget(o.Path, k)
		}
	}
	return codes
}

// forget lets the thing at the end of a path be made anew when it is needed.
func (r *trier) forget(path string, k *call) {
	params := parameters(path)
	if len(params) == 0 {
		return
	}
	last := params[len(params)-1]
	if k.once {
		last = params[0]
	}
	source := r.source(path, last, k)
	delete(r.made, strings.TrimPrefix(source, "$"))
}

// args gives every parameter of a path its value.
func (r *trier) args(o api.Operation, k *call, who string) map[string]string {
	r.t.Helper()
	args := map[string]string{"self": r.known[who+"_user"]}
	if who == "nobody" {
		args["self"] = r.known["member_user"]
	}
	for _, p := range parameters(o.Path) {
		args[p] = r.expand(r.source(o.Path, p, k), args)
	}
	return args
}

// source is what a parameter is made of: what the call says, or a "where", or
// the thing that the path names.
func (r *trier) source(path, param string, k *call) string {
	if s, ok := k.args[param]; ok {
		return s
	}
	for _, w := range r.where {
		if s, ok := w.args[param]; ok && strings.HasPrefix(path, w.prefix) {
			return s
		}
	}
	before, _, _ := strings.Cut(path, "/{"+param+"}")
	word := strings.TrimPrefix(before[strings.LastIndex(before, "/")+1:], "os-")
	switch word {
	case "policies":
		word = "policy"
	case "namespaces":
		word = "metadef_namespace"
	}
	return "$" + strings.ReplaceAll(strings.TrimSuffix(word, "s"), "-", "_")
}

// request makes one request with the parameters of args.
func (r *trier) request(as, method, path string, k *call, args map[string]string) *httptest.ResponseRecorder {
	r.t.Helper()
	for name, value := range args {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	header := map[string]string{}
	for _, from := range append(r.wheres(path), k.args) {
		for name, value := range from {
			switch {
			case name == "type":
				header["Content-Type"] = value
			case strings.HasPrefix(name, "X-"):
				header[name] = r.expand(value, args)
			}
		}
	}
	return r.ask(as, method, r.expand(path, args)+k.query, r.expand(k.body, args), header)
}

func (r *trier) wheres(path string) []map[string]string {
	var list []map[string]string
	for _, w := range r.where {
		if strings.HasPrefix(path, w.prefix) {
			list = append(list, w.args)
		}
	}
	return list
}

// expand puts values in the place of $names, making what is not there.
func (r *trier) expand(text string, args map[string]string) string {
	r.t.Helper()
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 {
			return text
		}
		j := i + 1
		for j < len(text) && (text[j] == '_' || text[j] >= 'a' && text[j] <= 'z') {
			j++
		}
		text = text[:i] + r.value(text[i+1:j], args) + text[j:]
	}
}

func (r *trier) value(name string, args map[string]string) string {
	r.t.Helper()
	for _, from := range []map[string]string{args, r.values, r.known, r.made} {
		if v, ok := from[name]; ok {
			return v
		}
	}
	switch name {
	case "new", "number", "octet":
		r.count++
		return map[string]string{"new": fmt.Sprintf("n%d", r.count), "number": fmt.Sprint(1000 + r.count), "octet": fmt.Sprint(r.count%250 + 1)}[name]
	case "token":
		return r.login(r.t, fmt.Sprintf(`"id": %q`, r.known["member_user"]), "a long password", fmt.Sprintf(`{"project": {"id": %q}}`, r.known["ours"]))
	}
	d := r.things[name]
	if d == nil {
		r.t.Errorf("%s: nothing says what $%s is", r.file, name)
		r.made[name] = "nothing"
		return r.made[name]
	}
	return r.create(name, d)
}

// create makes a thing.
func (r *trier) create(name string, d *thing) string {
	r.t.Helper()
	for i, k := range d.make {
		w := r.request(d.by, k.method, k.path, k, nil)
		if w.Code >= 300 {
			r.t.Fatalf("%s: make %s: %s %s as %s: %d %s", r.file, name, k.method, k.path, d.by, w.Code, w.Body)
		}
		if i == 0 {
			r.made[name] = member(r.t, w, d.at)
		}
	}
	if at, want, ok := strings.Cut(d.until, "="); ok {
		r.cloud.Until(name+" is "+want, func(context.Context) (bool, error) {
			return member(r.t, r.ask(d.by, http.MethodGet, d.make[0].path+"/"+r.made[name], "", nil), at) == want, nil
		})
	}
	return r.made[name]
}

func parameters(path string) []string {
	var list []string
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			list = append(list, strings.TrimSuffix(name, "}"))
		}
	}
	return list
}
