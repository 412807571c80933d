package identity

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A testClock stands still until it is moved.
type testClock struct {
	mu sync.Mutex // guards what follows
	at time.Time
}

func newTestClock() *testClock { return &testClock{at: time.Now().UTC().Truncate(time.Second)} }

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// accounts is a service with rules and a clock of the test's, and what asks it.
type accounts struct {
	t       testing.TB
	service *Service
	handler http.Handler
	clock   *testClock
}

func startAccounts(t testing.TB, rules PasswordRules) *accounts {
	t.Helper()
	db := apitest.Database(t, "identity", store.Source{Name: "identity", FS: Migrations})
	return accountsOn(t, db, t.TempDir(), newTestClock(), rules)
}

func accountsOn(t testing.TB, db *store.DB, dir string, clock *testClock, rules PasswordRules) *accounts {
	t.Helper()
	s := startOn(t, db, dir, func(o *Options) { o.Passwords, o.Clock = &rules, clock.now })
	return &accounts{t, s, serve(t, s), clock}
}

// ask makes a request; as is a token, or empty. The answer must have the
// status.
func (a *accounts) ask(status int, as, method, path, body string, header ...string) *httptest.ResponseRecorder {
	a.t.Helper()
	r := httptest.NewRequestWithContext(a.t.Context(), method, "/identity/v3"+path, strings.NewReader(body))
	if as != "" {
		r.Header.Set("X-Auth-Token", as)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	if w.Code != status {
		a.t.Fatalf("%s %s %s: %d, want %d: %s", method, path, body, w.Code, status, w.Body)
	}
	return w
}

// asRoot is ask as an administrator.
func (a *accounts) asRoot(status int, method, path, body string) *httptest.ResponseRecorder {
	a.t.Helper()
	return a.ask(status, apitest.Token("root", "admin", "admin"), method, path, body)
}

// user makes a user and gives the id; more is more members.
func (a *accounts) user(name, password, more string) string {
	a.t.Helper()
	w := a.asRoot(http.StatusCreated, http.MethodPost, "/users", `{"user": {"name": "`+name+`", "password": "`+password+`"`+more+`}}`)
	return textAt(a.t, w, "user", "id")
}

// logIn logs in with a password and without a scope.
func (a *accounts) logIn(status int, id, password string) *httptest.ResponseRecorder {
	a.t.Helper()
	return a.ask(status, "", http.MethodPost, "/auth/tokens", `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "`+id+`", "password": "`+password+`"}}}}}`)
}

// textAt is a text in an object of an answer.
func textAt(t testing.TB, w *httptest.ResponseRecorder, path ...string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("no %v in %s", path, w.Body)
		}
		v = m[name]
	}
	s, ok := v.(string)
	if !ok {
		t.Fatalf("no text %v in %s", path, w.Body)
	}
	return s
}
