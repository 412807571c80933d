package identity

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// content is everything that a snapshot has, every index by itself.
func (n *snapshot) content() map[string]any {
	return map[string]any{
		"revision": n.revision, "domains": slices.Collect(n.domains.rows()), "configs": slices.Collect(n.configs.rows()), "projects": slices.Collect(n.projects.rows()),
		"users": slices.Collect(n.users.rows()), "groups": slices.Collect(n.groups.rows()), "roles": slices.Collect(n.roles.rows()),
		"application credentials": slices.Collect(n.appCredentials.rows()), "access rules": slices.Collect(n.accessRules.rows()),
		"trusts":       slices.Collect(n.trusts.rows()),
		"domain named": namesIn(&n.domainNamed), "project named": namesIn(&n.projectNamed), "children": namesIn(&n.children),
		"user named": namesIn(&n.userNamed), "group named": namesIn(&n.groupNamed), "role named": namesIn(&n.roleNamed),
		"application credential named": namesIn(&n.appCredentialNamed),
		"by user":                      slices.Collect(n.byUser.all()), "by group": slices.Collect(n.byGroup.all()),
		"by actor": slices.Collect(n.byActor.all()), "by target": slices.Collect(n.byTarget.all()), "by role": slices.Collect(n.byRole.all()),
		"implied": slices.Collect(n.implied.all()), "revoked": slices.Collect(n.revoked.all()), "owned": slices.Collect(n.owned.all()),
		"catalog parts": slices.Collect(n.catalogParts.all()), "offered": n.offered,
	}
}

// A name is an entry of an index by names.
type name[T any] struct {
	In, Name string
	Row      *T
}

func namesIn[T any](x *names[T]) []name[T] {
	var list []name[T]
	for c := range x.all() {
		list = append(list, name[T]{c.in, c.name, c.row})
	}
	return list
}

// checkSnapshot holds what a service has in memory against what a new reading
// of the tables gives.
func checkSnapshot(t *testing.T, s *Service) {
	t.Helper()
	if err := s.follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	tx, err := s.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	want, err := s.read(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	got := s.now.Load()
	want.revision = got.revision
	unexported := cmp.AllowUnexported(member{}, assignment{}, implication{}, revocation{}, ref{}, catalogPart{}, offer{}, entry{}, service{}, endpoint{},
		endpointGroup{}, trust{}, appCredential{}, accessRule{}, Project{}, Domain{}, User{}, Group{}, Role{})
	if d := cmp.Diff(want.content(), got.content(), unexported); d != "" {
		t.Fatalf("the snapshot is not what the tables are (-tables +snapshot):\n%s", d)
	}
}

// A player asks one of two services at random.
type player struct {
	t        *testing.T
	r        *rand.Rand
	services []*Service
	handlers []http.Handler
	lists    map[string][]string // ids by kind of what is there
	made     map[string]int      // how many of a kind were made
	steps    int
}

// TestSnapshotFollows has two services on one database change things at
// random: what each has in memory is always what the tables are.
func TestSnapshotFollows(t *testing.T) {
	db := apitest.Database(t, "identity", store.Source{Name: "identity", FS: Migrations})
	dir := t.TempDir()
	seed := uint64(rand.Uint32())
	t.Logf("seed %d", seed)
	p := &player{t: t, r: rand.New(rand.NewPCG(seed, 0)), lists: map[string][]string{}, made: map[string]int{}}
	for range 2 {
		s := startOn(t, db, dir)
		p.services = append(p.services, s)
		p.handlers = append(p.handlers, serve(t, s))
	}
	for _, s := range p.services {
		checkSnapshot(t, s)
	}
	for step := range 500 {
		at := p.r.IntN(2)
		did := p.step(p.handlers[at])
		// The other one looks more seldom, so that much has come and gone.
		if one, two := p.services[at], p.services[1-at]; step%20 == 0 {
			checkSnapshot(t, one)
			checkSnapshot(t, two)
		} else if strings.HasPrefix(did, http.MethodDelete) {
			checkSnapshot(t, one)
		}
		if t.Failed() {
			t.Fatalf("after step %d: %s", step, did)
		}
	}
	n := p.services[0].now.Load()
	for what, size := range map[string]int{
		"memberships": n.byUser.size, "assignments": n.byActor.size, "implications": n.implied.size, "revocations": n.revoked.size,
		"trusts": n.trusts.size, "parts of the catalog": n.catalogParts.size,
	} {
		t.Logf("%d %s at the end", size, what)
	}
	for _, kind := range []string{"project", "user", "group", "role", "credential", "endpoint", "trust"} {
		if p.made[kind] == 0 {
			t.Errorf("no %s was made", kind)
		}
	}
}

// TestSnapshotOfWhatCameAndWent has one service make things, give them roles
// and delete one of them, all before the other looks.
func TestSnapshotOfWhatCameAndWent(t *testing.T) {
	db := apitest.Database(t, "identity", store.Source{Name: "identity", FS: Migrations})
	dir := t.TempDir()
	first, late := startOn(t, db, dir), startOn(t, db, dir)
	h := serve(t, first)
	for _, kind := range []string{"project", "user", "group", "role", "domain"} {
		p := &player{t: t, r: rand.New(rand.NewPCG(1, 0)), lists: map[string][]string{}, made: map[string]int{}}
		p.make(h, "domain", "/domains", `{"domain": {"name": "`+kind+`"}}`)
		domain := p.pick("domain")
		for _, k := range []string{"project", "user", "group"} {
			p.make(h, k, "/"+k+"s", `{"`+k+`": {"name": "`+kind+`", "domain_id": "`+domain+`"}}`)
		}
		p.make(h, "role", "/roles", `{"role": {"name": "`+kind+`"}}`)
		p.make(h, "role", "/roles", `{"role": {"name": "`+kind+`2"}}`)
		project, user, group, role := p.pick("project"), p.pick("user"), p.pick("group"), p.lists["role"][0]
		p.ask(h, "PUT", "/projects/"+project+"/users/"+user+"/roles/"+role, "")
		p.ask(h, "PUT", "/projects/"+project+"/groups/"+group+"/roles/"+role, "")
		p.ask(h, "PUT", "/domains/"+domain+"/users/"+user+"/roles/"+role, "")
		p.ask(h, "PUT", "/groups/"+group+"/users/"+user, "")
		p.ask(h, "PUT", "/roles/"+role+"/implies/"+p.lists["role"][1], "")
		p.ask(h, "PATCH", "/domains/"+domain, `{"domain": {"enabled": false}}`)
		did := p.ask(h, "DELETE", "/"+kind+"s/"+p.lists[kind][0], "")
		t.Log(did)
		checkSnapshot(t, first)
		checkSnapshot(t, late)
	}
}

// pick is the id of something of a kind, mostly of something that is there.
func (p *player) pick(kind string) string {
	list := p.lists[kind]
	if len(list) == 0 {
		return "none"
	}
	return list[p.r.IntN(len(list))]
}

// step makes one change, which may be refused, and says which.
func (p *player) step(h http.Handler) string {
	name := fmt.Sprintf("n%d", p.r.IntN(1_000_000))
	project, user, group, role, domain := p.pick("project"), p.pick("user"), p.pick("group"), p.pick("role"), p.pick("domain")
	steps := []func() string{
		func() string { return p.make(h, "domain", "/domains", `{"domain": {"name": "`+name+`"}}`) },
		func() string {
			return p.make(h, "project", "/projects", `{"project": {"name": "`+name+`", "domain_id": "default"}}`)
		},
		func() string {
			return p.make(h, "project", "/projects", `{"project": {"name": "`+name+`", "parent_id": "`+project+`"}}`)
		},
		func() string {
			return p.make(h, "project", "/projects", `{"project": {"name": "`+name+`", "domain_id": "`+domain+`"}}`)
		},
		func() string {
			return p.make(h, "user", "/users", `{"user": {"name": "`+name+`", "domain_id": "default"}}`)
		},
		func() string {
			return p.make(h, "user", "/users", `{"user": {"name": "`+name+`", "domain_id": "`+domain+`"}}`)
		},
		func() string {
			return p.make(h, "group", "/groups", `{"group": {"name": "`+name+`", "domain_id": "default"}}`)
		},
		func() string { return p.make(h, "role", "/roles", `{"role": {"name": "`+name+`"}}`) },
		func() string {
			return p.make(h, "role", "/roles", `{"role": {"name": "`+name+`", "domain_id": "`+domain+`"}}`)
		},
		func() string { return p.ask(h, "PATCH", "/users/"+user, `{"user": {"name": "`+name+`"}}`) },
		func() string { return p.ask(h, "PATCH", "/projects/"+project, `{"project": {"name": "`+name+`"}}`) },
		func() string { return p.ask(h, "PATCH", "/groups/"+group, `{"group": {"name": "`+name+`"}}`) },
		func() string { return p.ask(h, "PATCH", "/roles/"+role, `{"role": {"name": "`+name+`"}}`) },
		func() string {
			return p.ask(h, "PATCH", "/domains/"+domain, `{"domain": {"enabled": false, "name": "`+name+`"}}`)
		},
		func() string { return p.ask(h, "PUT", "/projects/"+project+"/tags/"+name, "") },
		func() string { return p.ask(h, "PUT", "/groups/"+group+"/users/"+user, "") },
		func() string { return p.ask(h, "DELETE", "/groups/"+group+"/users/"+user, "") },
		func() string { return p.ask(h, "PUT", "/projects/"+project+"/users/"+user+"/roles/"+role, "") },
		func() string { return p.ask(h, "PUT", "/projects/"+project+"/groups/"+group+"/roles/"+role, "") },
		func() string { return p.ask(h, "PUT", "/domains/"+domain+"/users/"+user+"/roles/"+role, "") },
		func() string { return p.ask(h, "PUT", "/system/users/"+user+"/roles/"+role, "") },
		func() string {
			return p.ask(h, "PUT", "/OS-INHERIT/domains/default/users/"+user+"/roles/"+role+"/inherited_to_projects", "")
		},
		func() string { return p.ask(h, "DELETE", "/projects/"+project+"/users/"+user+"/roles/"+role, "") },
		func() string { return p.ask(h, "PUT", "/roles/"+role+"/implies/"+p.pick("role"), "") },
		func() string { return p.credential(h, user, project, role, name) },
		func() string { return p.credential(h, user, project, role, name) },
		func() string {
			return p.ask(h, "DELETE", "/users/"+user+"/application_credentials/"+p.pick("credential"), "")
		},
		func() string { return p.trust(h, user, p.pick("user"), project, role) },
		func() string { return p.revoke(user) },
		func() string { return p.make(h, "service", "/services", `{"service": {"type": "`+name+`"}}`) },
		func() string {
			return p.make(h, "endpoint", "/endpoints", `{"endpoint": {"service_id": "`+p.pick("service")+`", "interface": "public", "url": "http://x"}}`)
		},
		func() string {
			return p.ask(h, "PUT", "/OS-EP-FILTER/projects/"+project+"/endpoints/"+p.pick("endpoint"), "")
		},
	}
	if p.steps > 100 && p.r.IntN(8) == 0 {
		steps = []func() string{
			func() string { return p.ask(h, "DELETE", "/users/"+user, "") },
			func() string { return p.ask(h, "DELETE", "/projects/"+project, "") },
			func() string { return p.ask(h, "DELETE", "/groups/"+group, "") },
			func() string { return p.ask(h, "DELETE", "/roles/"+role, "") },
			func() string { return p.ask(h, "DELETE", "/domains/"+domain, "") },
			func() string { return p.ask(h, "DELETE", "/endpoints/"+p.pick("endpoint"), "") },
		}
	}
	p.steps++
	if p.steps < 3*len(steps) { // each in its turn, so that there is something of everything
		return steps[p.steps%len(steps)]()
	}
	return steps[p.r.IntN(len(steps))]()
}

// ask asks as an administrator. Whatever is refused changes nothing.
func (p *player) ask(h http.Handler, method, path, body string) string {
	w := p.asks(h, method, path, body, apitest.Token("root", "admin", "admin"))
	if method == http.MethodDelete && w.Code < 300 {
		for kind, list := range p.lists {
			p.lists[kind] = slices.DeleteFunc(list, func(id string) bool { return strings.HasSuffix(path, "/"+id) && strings.Count(path, "/") == 2 })
		}
	}
	return method + " " + path
}

func (p *player) asks(h http.Handler, method, path, body, token string) *httptest.ResponseRecorder {
	p.t.Helper()
	r := httptest.NewRequestWithContext(p.t.Context(), method, "/identity/v3"+path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", token)
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code >= 500 {
		p.t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w
}

// make asks and remembers the id of what was made.
func (p *player) make(h http.Handler, kind, path, body string) string {
	w := p.asks(h, http.MethodPost, path, body, apitest.Token("root", "admin", "admin"))
	if id := firstID(w.Body.String()); w.Code == http.StatusCreated && id != "" {
		p.lists[kind] = append(p.lists[kind], id)
		p.made[kind]++
	}
	return "POST " + path
}

// firstID is the first 32 hex digits behind "id" in a body.
func firstID(body string) string {
	_, rest, ok := strings.Cut(body, `"id":"`)
	if !ok {
		_, rest, ok = strings.Cut(body, `"id": "`)
	}
	if id, _, _ := strings.Cut(rest, `"`); ok {
		return id
	}
	return ""
}

// token is one of a user on a project with a role, if it has that.
func (p *player) token(user, project string) string {
	s := p.services[0]
	if err := s.follow(p.t.Context()); err != nil {
		p.t.Error(err)
	}
	t := &token{user: user, scope: target{"project", project}, methods: methodPassword, issued: s.clock(), expires: s.clock().Add(tokenLifetime), audit: newAuditID()}
	text, err := s.keys.seal(t.payload(), t.issued)
	if err != nil {
		p.t.Error(err)
	}
	return text
}

func (p *player) credential(h http.Handler, user, project, role, name string) string {
	p.ask(h, http.MethodPut, "/projects/"+project+"/users/"+user+"/roles/"+role, "")
	w := p.asks(h, http.MethodPost, "/users/"+user+"/application_credentials",
		`{"application_credential": {"name": "`+name+`", "access_rules": [{"service": "image", "method": "GET", "path": "/v2/`+name+`"}]}}`, p.token(user, project))
	if w.Code == http.StatusCreated {
		p.lists["credential"] = append(p.lists["credential"], firstID(w.Body.String()))
		p.made["credential"]++
	}
	return "POST /application_credentials"
}

func (p *player) trust(h http.Handler, user, other, project, role string) string {
	p.ask(h, http.MethodPut, "/projects/"+project+"/users/"+user+"/roles/"+role, "")
	body := `{"trust": {"trustor_user_id": "` + user + `", "trustee_user_id": "` + other + `", "project_id": "` + project +
		`", "impersonation": false, "roles": [{"id": "` + role + `"}]}}`
	if w := p.asks(h, http.MethodPost, "/OS-TRUST/trusts", body, p.token(user, project)); w.Code == http.StatusCreated {
		p.made["trust"]++
	}
	return "POST /OS-TRUST/trusts"
}

// revoke writes a revocation as revoking a token does.
func (p *player) revoke(string) string {
	s := p.services[p.r.IntN(2)]
	r := &revocation{AuditID: newAuditID().String(), ExpiresAt: s.clock().Add(tokenLifetime)}
	err := s.change(p.t.Context(), func(tx *store.Tx) error { return s.tables.revocations.In(tx).Insert(p.t.Context(), r) },
		wrote(kindRevocation, r.AuditID))
	if err != nil {
		p.t.Error(err)
	}
	if !s.now.Load().isRevoked(r.AuditID) {
		p.t.Error("a revocation does not count after it was made")
	}
	return "revoke"
}

// What the log does not have any more is read from the tables.
func TestSnapshotGap(t *testing.T) {
	db := apitest.Database(t, "identity", store.Source{Name: "identity", FS: Migrations})
	dir := t.TempDir()
	one, two := startOn(t, db, dir), startOn(t, db, dir)
	add := func(ctx context.Context, name string) {
		role := &Role{ID: cloud.NewHexID(), Name: name}
		err := one.change(ctx, func(tx *store.Tx) error { return one.tables.roles.In(tx).Insert(ctx, role) }, wrote(kindRole, role.ID))
		if err != nil {
			t.Fatal(err)
		}
	}
	add(t.Context(), "first")
	add(t.Context(), "second")
	if _, err := db.ExecContext(t.Context(), "DELETE FROM changes ORDER BY revision DESC LIMIT 1"); err != nil {
		t.Fatal(err)
	}
	checkSnapshot(t, two)
	if two.now.Load().roleNamed.at("", "second") == nil {
		t.Error("a change that the log has lost is not seen")
	}
	add(t.Context(), "third")
	if _, err := db.ExecContext(t.Context(), "DELETE FROM changes"); err != nil {
		t.Fatal(err)
	}
	checkSnapshot(t, two)
}
