package identity

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A crowd is how many there are of each.
type crowd struct{ projects, users, groups, assignments int }

// theCrowd is the size that identity is made for.
var theCrowd = crowd{projects: 10_000, users: 50_000, groups: 1_000, assignments: 200_000}

// ids of the crowd are numbers with a mark in front, spread over all ids.
func crowdID(mark byte, i int) string {
	return fmt.Sprintf("%08x%c%023d", uint32(i)*2654435761, mark, i)
}

// settle writes a crowd into empty tables: users are in a group each, projects
// in a tree, one assignment in ten is a group's, one in a hundred inherited.
func (w crowd) settle(b *testing.B, db *store.DB, roles []string) {
	b.Helper()
	bulk(b, db, "projects (id, domain_id, parent_id, name, description, enabled)", w.projects, func(i int) []any {
		parent := DefaultDomain
		if i >= 100 {
			parent = crowdID('a', i%100)
		}
		return []any{crowdID('a', i), DefaultDomain, parent, fmt.Sprintf("project-%d", i), "one of many", true}
	})
	bulk(b, db, "users (id, domain_id, name, password_hash, email, description, enabled, valid_from)", w.users, func(i int) []any {
		return []any{
			crowdID('b', i), DefaultDomain, fmt.Sprintf("user-%d", i), nobodysHash, fmt.Sprintf("user-%d@example.org", i), "", true, time.Now().UTC(),
		}
	})
	bulk(b, db, "user_groups (id, domain_id, name, description)", w.groups, func(i int) []any {
		return []any{crowdID('c', i), DefaultDomain, fmt.Sprintf("group-%d", i), ""}
	})
	bulk(b, db, "group_members (group_id, user_id)", w.users, func(i int) []any { return []any{crowdID('c', i%w.groups), crowdID('b', i)} })
	bulk(b, db, "assignments (actor_kind, actor_id, target_kind, target_id, role_id, inherited)", w.assignments, func(i int) []any {
		kind, actor := "user", crowdID('b', i%w.users)
		if i%10 == 0 {
			kind, actor = "group", crowdID('c', i/10%w.groups)
		}
		return []any{kind, actor, "project", crowdID('a', (i*7+i/1000)%w.projects), roles[i%len(roles)], i%100 == 7}
	})
}

// bulk inserts n rows, some thousand at once.
func bulk(b *testing.B, db *store.DB, into string, n int, row func(i int) []any) {
	b.Helper()
	const most = 2000
	for begin := 0; begin < n; begin += most {
		var values []string
		var args []any
		for i := begin; i < min(n, begin+most); i++ {
			r := row(i)
			values = append(values, "("+strings.TrimSuffix(strings.Repeat("?, ", len(r)), ", ")+")")
			args = append(args, r...)
		}
		if _, err := db.ExecContext(b.Context(), "INSERT INTO "+into+" VALUES "+strings.Join(values, ", "), args...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCrowd is identity with a crowd: what calls cost in milliseconds of
// CPU, this process (client and server) and the database together.
func BenchmarkCrowd(b *testing.B) {
	db := apitest.Database(b, "identity", store.Source{Name: "identity", FS: Migrations})
	dir := b.TempDir()
	first := startOn(b, db, dir)
	var roles []string
	for _, name := range []string{"member", "reader", "manager"} {
		roles = append(roles, first.now.Load().roleNamed.at("", name).ID)
	}
	theCrowd.settle(b, db, roles)
	before := memory()
	began := time.Now()
	s := startOn(b, db, dir)
	b.Logf("read everything in %v, %d MiB of it stay", time.Since(began).Round(time.Millisecond), (memory()-before)>>20)
	runtime.KeepAlive(first)
	c := &calls{b: b, s: s, db: db}
	server := httptest.NewServer(serve(b, s))
	defer server.Close()
	c.url, c.client = server.URL+"/identity/v3", server.Client()
	c.lists()
	c.logIns()
	c.changes()
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
			runtime.GC()
		}
		b.ReportMetric(float64(memory()>>20), "MiB-heap")
		b.ReportMetric(0, "ns/op")
	})
}

// calls are made of one service with a crowd.
type calls struct {
	b      *testing.B
	s      *Service
	db     *store.DB
	url    string
	client *http.Client
}

// run measures f.
func (c *calls) run(name string, f func(b *testing.B)) {
	c.b.Run(name, func(b *testing.B) {
		f(b) // connections, caches
		began := cpu()
		n := 0
		for b.Loop() {
			f(b)
			n++
		}
		b.ReportMetric(float64(cpu()-began)/float64(n)/1e6, "ms-CPU/op")
	})
}

// ask makes a request over HTTP and wants a status.
func (c *calls) ask(b *testing.B, method, path, token, body string, want int) string {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", token)
	if path == "/auth/tokens" {
		r.Header.Set("X-Subject-Token", token)
	}
	resp, err := c.client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err != nil || cerr != nil || resp.StatusCode != want {
		b.Fatalf("%s %s: %s %.300s %v %v", method, path, resp.Status, text, err, cerr)
	}
	return string(text)
}

// lists walks into the middle of every list that is long.
func (c *calls) lists() {
	root := apitest.Token("root", "admin", "admin")
	for _, l := range []struct{ name, path string }{
		{"users", "/users"}, {"users-second-page", "/users?marker=" + crowdID('b', 5000)},
		{"users-of-domain", "/users?domain_id=default"}, {"user-by-name", "/users?name=user-777&domain_id=default"},
		{"projects", "/projects"}, {"projects-below", "/projects?parent_id=" + crowdID('a', 3)}, {"groups", "/groups"}, {"roles", "/roles"},
		{"group-users", "/groups/" + crowdID('c', 5) + "/users"}, {"user-groups", "/users/" + crowdID('b', 5) + "/groups"},
		{"user-projects", "/users/" + crowdID('b', 5) + "/projects"},
		{"assignments", "/role_assignments"}, {"assignments-names", "/role_assignments?include_names"},
		{"assignments-effective", "/role_assignments?effective&include_names"},
		{"assignments-of-user", "/role_assignments?effective&include_names&user.id=" + crowdID('b', 5)},
		{"assignments-of-project", "/role_assignments?effective&include_names&scope.project.id=" + crowdID('a', 700)},
		{"assignments-of-subtree", "/role_assignments?effective&include_names&include_subtree&scope.project.id=" + crowdID('a', 70)},
		{"assignments-of-role", "/role_assignments?effective&role.id=" + c.s.now.Load().roleNamed.at("", "reader").ID},
		{"assignments-inherited", "/role_assignments?scope.OS-INHERIT:inherited_to=projects"},
		{"assignments-of-nobody", "/role_assignments?effective&role.id=" + c.s.now.Load().roleNamed.at("", "admin").ID},
		{"credentials", "/users/" + apitest.ID("root") + "/application_credentials"},
	} {
		c.run("list/"+l.name, func(b *testing.B) { c.ask(b, http.MethodGet, l.path, root, "", http.StatusOK) })
	}
}

// logIns issues tokens and validates them.
func (c *calls) logIns() {
	user := crowdID('b', 7)
	password := "crowd-" + crowdID('b', 1)
	hash, err := c.s.hashPassword(c.b.Context(), password)
	if err != nil {
		c.b.Fatal(err)
	}
	err = c.s.change(c.b.Context(), func(tx *store.Tx) error {
		_, err := c.s.tables.users.In(tx).Change(c.b.Context(), store.Set{"password_hash": hash}, store.Eq("id", user))
		return err
	}, wrote(kindUser, user))
	if err != nil {
		c.b.Fatal(err)
	}
	project := c.s.now.Load().targetsOf(user, "project")[0]
	in := `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "` + user + `", "password": "` + password +
		`"}}}, "scope": {"project": {"id": "` + project + `"}}}}`
	c.run("bcrypt", func(b *testing.B) {
		if _, err := c.s.hashPassword(b.Context(), password); err != nil {
			b.Fatal(err)
		}
	})
	c.run("issue/password", func(b *testing.B) {
		c.s.known = passwordCache{} // each pays for the hash
		c.ask(b, http.MethodPost, "/auth/tokens", "", in, http.StatusCreated)
	})
	c.run("issue/password-again", func(b *testing.B) { c.ask(b, http.MethodPost, "/auth/tokens", "", in, http.StatusCreated) })
	token := c.tokenOf(user, project)
	made := c.ask(c.b, http.MethodPost, "/users/"+user+"/application_credentials", token, `{"application_credential": {"name": "robot"}}`, http.StatusCreated)
	_, secret, _ := strings.Cut(made, `"secret":"`)
	secret, _, _ = strings.Cut(secret, `"`)
	robot := `{"auth": {"identity": {"methods": ["application_credential"], "application_credential": {"id": "` + firstID(made) +
		`", "secret": "` + secret + `"}}}}`
	c.run("issue/application-credential", func(b *testing.B) { c.ask(b, http.MethodPost, "/auth/tokens", "", robot, http.StatusCreated) })
	c.run("validate", func(b *testing.B) { c.ask(b, http.MethodHead, "/auth/tokens", token, "", http.StatusOK) })
	c.run("validate-with-catalog", func(b *testing.B) { c.ask(b, http.MethodGet, "/auth/tokens", token, "", http.StatusOK) })
}

func (c *calls) tokenOf(user, project string) string {
	t := &token{
		user: user, scope: target{"project", project}, methods: methodPassword, issued: c.s.clock(), expires: c.s.clock().Add(tokenLifetime), audit: newAuditID(),
	}
	text, err := c.s.keys.seal(t.payload(), t.issued)
	if err != nil {
		c.b.Fatal(err)
	}
	return text
}

// changes make users, and take in what another controller changes.
func (c *calls) changes() {
	root := apitest.Token("root", "admin", "admin")
	c.run("create-user", func(b *testing.B) {
		c.ask(b, http.MethodPost, "/users", root, `{"user": {"name": "`+cloud.NewHexID()+`", "domain_id": "default"}}`, http.StatusCreated)
	})
	c.run("grant-role", func(b *testing.B) {
		role := c.s.now.Load().roleNamed.at("", "member").ID
		user := crowdID('b', int(time.Now().UnixNano()%int64(theCrowd.users)))
		c.ask(b, http.MethodPut, "/projects/"+crowdID('a', 9)+"/users/"+user+"/roles/"+role, root, "", http.StatusNoContent)
	})
	c.run("follow-a-change", func(b *testing.B) {
		err := c.s.db.Transact(b.Context(), func(tx *store.Tx) error {
			_, err := logChanges(b.Context(), tx, wrote(kindUser, crowdID('b', 9)))
			return err
		})
		if err == nil {
			err = c.s.follow(b.Context())
		}
		if err != nil {
			b.Fatal(err)
		}
	})
	c.run("read-everything", func(b *testing.B) {
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		defer cancel()
		if _, err := c.s.read(ctx, c.db); err != nil {
			b.Fatal(err)
		}
	})
}

// cpu is the CPU time of this process and of its database so far, in
// nanoseconds.
func cpu() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	sum := u.Utime.Nano() + u.Stime.Nano()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return sum
	}
	for _, file := range stats {
		text, err := os.ReadFile(file)
		_, rest, ok := strings.Cut(string(text), "(mariadbd) ")
		if words := strings.Fields(rest); err == nil && ok && words[1] == strconv.Itoa(os.Getpid()) {
			for _, ticks := range words[11:13] { // utime and stime, a hundred in a second
				n, _ := strconv.ParseInt(ticks, 10, 64)
				sum += n * 10_000_000
			}
		}
	}
	return sum
}

// memory is what is in use after the garbage has been collected, in bytes.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
