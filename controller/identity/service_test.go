package identity

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// start gives a service on an empty schema.
func start(t testing.TB) *Service {
	t.Helper()
	db := apitest.Database(t, "identity", store.Source{Name: "identity", FS: Migrations})
	return startOn(t, db, t.TempDir())
}

func startOn(t testing.TB, db *store.DB, dir string, with ...func(*Options)) *Service {
	t.Helper()
	o := Options{
		DB: db, StateDir: dir, AdminPasswordFile: filepath.Join(dir, "admin-password"), Log: apitest.Log(t),
		Catalog: []Endpoint{{"identity", "keystone", "/identity/v3"}, {"image", "glance", "/image"}},
	}
	for _, f := range with {
		f(&o)
	}
	s, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// both takes the tokens of apitest, which have slashes, and the service's own.
type both struct{ s *Service }

func (b both) Authenticate(ctx context.Context, token string) (*cloud.Caller, error) {
	if strings.Contains(token, "/") {
		c, err := apitest.Auth{}.Authenticate(ctx, token)
		return c, err
	}
	return b.s.Authenticate(ctx, token)
}

func serve(t testing.TB, s *Service) http.Handler {
	t.Helper()
	h, err := api.New(api.Options{Services: []api.Service{s.API()}, Auth: both{s}, Log: apitest.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestTranscripts(t *testing.T) {
	apitest.Play(t, "/identity/v3", "testdata/*.txt", func(t *testing.T) http.Handler { return serve(t, start(t)) })
}

func TestConform(t *testing.T) {
	s := start(t)
	apitest.Conform(t, serve(t, s), s.API())
}

func TestVersions(t *testing.T) {
	h := serve(t, start(t))
	for path, want := range map[string]int{"/identity/": 300, "/identity": 300, "/identity/v3": 200, "/identity/v3/": 200, "/identity/v3/nope": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://cloud.example"+path, nil))
		if w.Code != want {
			t.Errorf("GET %s: %d, want %d: %s", path, w.Code, want, w.Body)
		}
		if want < 400 && !strings.Contains(w.Body.String(), "https://cloud.example/identity/v3/") {
			t.Errorf("GET %s: the link does not lead to the host that was asked: %s", path, w.Body)
		}
	}
}

// The first administrator's password stands in a file that only its owner
// reads, stays what it was, and lets in.
func TestBootstrap(t *testing.T) {
	db := apitest.Database(t, "identity", store.Source{Name: "identity", FS: Migrations})
	dir := t.TempDir()
	startOn(t, db, dir)
	first, err := os.ReadFile(filepath.Join(dir, "admin-password"))
	if err != nil {
		t.Fatal(err)
	}
	s := startOn(t, db, dir)
	second, err := os.ReadFile(filepath.Join(dir, "admin-password"))
	if err != nil || string(first) != string(second) {
		t.Fatalf("the password changed with the second start (%v)", err)
	}
	info, err := os.Stat(filepath.Join(dir, "admin-password"))
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("mode of the password's file is %v, want 0640 (%v)", info.Mode(), err)
	}
	text := loginAs(t, serve(t, s), "admin", strings.TrimSpace(string(second)), "admin")
	caller, err := s.Authenticate(t.Context(), text)
	if err != nil || !caller.IsAdmin || len(caller.Roles) != 4 {
		t.Errorf("admin's token is of %+v (%v)", caller, err)
	}
}

// loginAs logs in with a password on a project of the default domain.
func loginAs(t testing.TB, h http.Handler, user, password, project string) string {
	t.Helper()
	body := `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "` + user + `", "domain": {"id": "default"}, "password": "` + password +
		`"}}}, "scope": {"project": {"name": "` + project + `", "domain": {"id": "default"}}}}}`
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/identity/v3/auth/tokens", strings.NewReader(body)))
	if w.Code != http.StatusCreated {
		t.Fatalf("log in as %s: %d %s", user, w.Code, w.Body)
	}
	return w.Header().Get("X-Subject-Token")
}

// A change by another controller counts here after the next look.
func TestFollow(t *testing.T) {
	db := apitest.Database(t, "identity", store.Source{Name: "identity", FS: Migrations})
	dir := t.TempDir()
	one, two := startOn(t, db, dir), startOn(t, db, dir)
	err := one.change(t.Context(), func(tx *store.Tx) error {
		return one.tables.roles.In(tx).Insert(t.Context(), &Role{ID: cloud.NewHexID(), Name: "auditor"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if one.now.Load().roleNamed.at("", "auditor") == nil {
		t.Error("the change does not count where it was made")
	}
	if err := two.follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if two.now.Load().roleNamed.at("", "auditor") == nil {
		t.Error("the change does not count on the other controller")
	}
}

func TestNobodysHash(t *testing.T) {
	if cost, err := bcrypt.Cost([]byte(nobodysHash)); err != nil || cost != bcryptCost {
		t.Errorf("cost of the hash of nobody is %d (%v), want %d", cost, err, bcryptCost)
	}
}

func BenchmarkValidate(b *testing.B) {
	s := start(b)
	text := adminToken(b, s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(b.Context(), text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIssue is a log-in whose password is remembered.
func BenchmarkIssue(b *testing.B) {
	s := start(b)
	h := serve(b, s)
	password := adminPassword(b, s)
	b.ReportAllocs()
	for b.Loop() {
		loginAs(b, h, "admin", password, "admin")
	}
}

// BenchmarkIssueAppCredential is a log-in with an application credential.
func BenchmarkIssueAppCredential(b *testing.B) {
	s := start(b)
	h := serve(b, s)
	token := adminToken(b, s)
	ask := func(token, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/identity/v3"+path, strings.NewReader(body))
		r.Header.Set("X-Auth-Token", token)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusCreated {
			b.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		return w
	}
	caller, err := s.Authenticate(b.Context(), token)
	if err != nil {
		b.Fatal(err)
	}
	var made struct {
		Credential appCredential `json:"application_credential"`
	}
	w := ask(token, "/users/"+caller.UserID+"/application_credentials", `{"application_credential": {"name": "robot"}}`)
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil {
		b.Fatal(err)
	}
	body := `{"auth": {"identity": {"methods": ["application_credential"], "application_credential": {"id": "` + made.Credential.ID +
		`", "secret": "` + made.Credential.Secret + `"}}}}`
	b.ReportAllocs()
	for b.Loop() {
		ask("", "/auth/tokens", body)
	}
}

func BenchmarkListUsers1000(b *testing.B) {
	s := start(b)
	for range 1000 {
		u := &User{ID: cloud.NewHexID(), DomainID: DefaultDomain, Enabled: true, ValidFrom: time.Now().UTC()}
		u.Name = u.ID
		if err := s.tables.users.Insert(b.Context(), u); err != nil {
			b.Fatal(err)
		}
	}
	h := serve(b, s)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/identity/v3/users", nil)
		r.Header.Set("X-Auth-Token", apitest.Token("root", "admin", "admin"))
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}

func adminPassword(t testing.TB, s *Service) string {
	t.Helper()
	text, err := os.ReadFile(s.adminPasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func adminToken(t testing.TB, s *Service) string {
	t.Helper()
	return loginAs(t, serve(t, s), "admin", adminPassword(t, s), "admin")
}
