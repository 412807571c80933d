package identity

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/identity/federation/federationtest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A partner is a service that believes a real issuer.
type partner struct {
	*accounts
	issuer *federationtest.Issuer
	domain string
}

const loginPath = "/OS-FEDERATION/identity_providers/partner/protocols/openid/auth"

func startPartner(t testing.TB, rules string) *partner {
	t.Helper()
	p := &partner{accounts: startAccounts(t, DefaultPasswordRules()), issuer: federationtest.Start(t)}
	body := fmt.Sprintf(`{"identity_provider": {"enabled": true, "domain_id": null, "description": null, "remote_ids": [%q], "oidc": {"audiences": ["cairn"], "local": true, "ca": %q,
		"client_id": %q, "client_secret": %q}}}`, p.issuer.URL, p.issuer.CA, federationtest.Client, federationtest.Secret)
	made := p.asRoot(201, http.MethodPut, "/OS-FEDERATION/identity_providers/partner", body)
	p.domain = textAt(t, made, "identity_provider", "domain_id")
	shown := made.Body.String() + p.asRoot(200, http.MethodGet, "/OS-FEDERATION/identity_providers/partner", "").Body.String() +
		p.asRoot(200, http.MethodGet, "/OS-FEDERATION/identity_providers", "").Body.String()
	if strings.Contains(shown, "a secret") || strings.Count(shown, federationtest.Client) != 3 {
		t.Errorf("shown: %s", shown)
	}
	p.asRoot(201, http.MethodPut, "/OS-FEDERATION/mappings/rules", `{"mapping": {"rules": `+rules+`}}`)
	p.asRoot(201, http.MethodPut, "/OS-FEDERATION/identity_providers/partner/protocols/openid", `{"protocol": {"mapping_id": "rules"}}`)
	return p
}

// come logs in with a token of the issuer.
func (p *partner) come(status int, token string) *httptest.ResponseRecorder {
	p.t.Helper()
	return p.ask(status, "", http.MethodPost, loginPath, "", "Authorization", "Bearer "+token)
}

func (p *partner) token(subject string, more map[string]any) string {
	p.t.Helper()
	return p.issuer.Token(p.t, p.issuer.Claims(subject, more))
}

// scoped exchanges a token for one of a project.
func (p *partner) scoped(status int, token, project string) *httptest.ResponseRecorder {
	p.t.Helper()
	return p.ask(status, "", http.MethodPost, "/auth/tokens", fmt.Sprintf(
		`{"auth": {"identity": {"methods": ["token"], "token": {"id": %q}}, "scope": {"project": {"id": %q}}}}`, token, project))
}

const partnerRules = `[
	{"local": [{"user": {"name": "{0}", "id": "{1}", "email": "{2}"}}], "remote": [{"type": "preferred_username"}, {"type": "sub"}, {"type": "email"}]},
	{"local": [{"groups": "{0}", "domain": {"id": "default"}}], "remote": [{"type": "groups", "blacklist": ["admins"]}]},
	{"local": [{"projects": [{"name": "of {0}", "roles": [{"name": "member"}]}]}], "remote": [{"type": "preferred_username"}, {"type": "own", "any_one_of": ["true"]}]}
]`

func TestFederation(t *testing.T) {
	p := startPartner(t, partnerRules)
	member := textAt(t, p.asRoot(201, http.MethodPost, "/roles", `{"role": {"name": "worker"}}`), "role", "id")
	project := textAt(t, p.asRoot(201, http.MethodPost, "/projects", `{"project": {"name": "shop"}}`), "project", "id")
	for _, name := range []string{"staff", "admins"} {
		group := textAt(t, p.asRoot(201, http.MethodPost, "/groups", `{"group": {"name": "`+name+`"}}`), "group", "id")
		p.asRoot(204, http.MethodPut, "/projects/"+project+"/groups/"+group+"/roles/"+member, "")
	}
	ann := map[string]any{"preferred_username": "ann", "email": "ann@example.org", "groups": []string{"staff", "admins", "nowhere"}}

	w := p.come(201, p.token("1", ann))
	unscoped := w.Header().Get("X-Subject-Token")
	var body struct {
		Token struct {
			Methods []string
			User    struct {
				ID, Name   string
				Domain     struct{ ID, Name string }
				Federation struct {
					Groups []struct{ ID string }
				} `json:"OS-FEDERATION"`
			}
			Roles []any
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	user := body.Token.User
	if user.Name != "ann" || user.Domain.ID != p.domain || user.Domain.Name != "partner" || len(user.Federation.Groups) != 1 ||
		!slices.Equal(body.Token.Methods, []string{"mapped"}) || body.Token.Roles != nil {
		t.Fatalf("token: %s", w.Body)
	}
	for _, path := range []string{"/auth/projects", "/OS-FEDERATION/projects"} {
		if list := p.ask(200, unscoped, http.MethodGet, path, "").Body.String(); strings.Count(list, `"name"`) != 1 || !strings.Contains(list, "shop") {
			t.Errorf("%s: %s", path, list)
		}
	}
	token := p.scoped(201, unscoped, project).Header().Get("X-Subject-Token")
	caller, err := p.service.Authenticate(t.Context(), token)
	if err != nil || !slices.Equal(caller.Roles, []string{"worker"}) || caller.UserID != user.ID {
		t.Fatalf("caller %+v (%v)", caller, err)
	}
	p.ask(403, token, http.MethodGet, "/users", "")
	if shown := p.asRoot(200, http.MethodGet, "/users/"+user.ID, ""); textAt(t, shown, "user", "email") != "ann@example.org" {
		t.Errorf("user: %s", shown.Body)
	}

	// The groups are those of the token, not of the user.
	plain := p.come(201, p.token("1", map[string]any{"preferred_username": "ann", "email": "ann@example.org"})).Header().Get("X-Subject-Token")
	p.scoped(401, plain, project)
	p.scoped(201, unscoped, project)

	// Another subject of the same name is another user; of the same id, the same.
	other := p.come(201, p.token("2", ann))
	if id, name := textAt(t, other, "token", "user", "id"), textAt(t, other, "token", "user", "name"); id == user.ID || !strings.HasPrefix(name, "ann ") {
		t.Errorf("another ann is %s (%s)", name, id)
	}
	ann["preferred_username"], ann["own"] = "anna", true
	renamed := p.come(201, p.token("1", ann))
	if id, name := textAt(t, renamed, "token", "user", "id"), textAt(t, renamed, "token", "user", "name"); id != user.ID || name != "anna" {
		t.Errorf("ann is now %s (%s)", name, id)
	}
	own := p.ask(200, plain, http.MethodGet, "/auth/projects", "").Body.String()
	if strings.Count(own, `"of anna"`) != 1 {
		t.Errorf("projects that the mapping made: %s", own)
	}
	p.come(201, p.token("1", ann))

	checkSnapshot(t, p.service)

	// Whoever is disabled here, or is not believed any more, is out.
	p.asRoot(200, http.MethodPatch, "/users/"+user.ID, `{"user": {"enabled": false}}`)
	p.come(401, p.token("1", ann))
	p.asRoot(200, http.MethodPatch, "/users/"+user.ID, `{"user": {"enabled": true}}`)
	p.clock.move(time.Second)
	again := p.come(201, p.token("1", ann)).Header().Get("X-Subject-Token")
	p.asRoot(200, http.MethodPatch, "/OS-FEDERATION/identity_providers/partner", `{"identity_provider": {"enabled": false}}`)
	if _, err := p.service.validate(again); cloud.KindOf(err) != cloud.KindUnauthorized {
		t.Errorf("a token of a provider that is disabled: %v", err)
	}
	p.come(403, p.token("1", ann))
	p.asRoot(200, http.MethodPatch, "/OS-FEDERATION/identity_providers/partner", `{"identity_provider": {"enabled": true}}`)
	if _, err := p.service.validate(again); err != nil {
		t.Error(err)
	}
	p.asRoot(204, http.MethodDelete, "/OS-FEDERATION/identity_providers/partner/protocols/openid", "")
	if _, err := p.service.validate(again); err == nil {
		t.Error("a token of a protocol that is gone is valid")
	}
}

func TestFederatedLoginRefused(t *testing.T) {
	p := startPartner(t, partnerRules)
	ann := map[string]any{"preferred_username": "ann", "email": "ann@example.org"}
	p.come(201, p.token("1", ann))
	p.ask(401, "", http.MethodPost, loginPath, "")
	p.ask(401, "", http.MethodPost, loginPath, "", "Authorization", "Basic YTpi")
	p.come(401, "nonsense")
	p.come(401, p.token("1", map[string]any{"email": "no name"}))
	p.come(401, p.issuer.Token(t, p.issuer.Claims("1", map[string]any{"aud": "else", "preferred_username": "ann", "email": "x"})))
	p.ask(404, "", http.MethodPost, strings.ReplaceAll(loginPath, "partner", "other"), "")
	p.issuer.Opaque("opaque", p.issuer.Claims("1", ann))
	p.come(201, "opaque")

	p.asRoot(200, http.MethodPatch, "/OS-FEDERATION/identity_providers/partner", `{"identity_provider": {"oidc": null}}`)
	p.come(403, p.token("1", ann))
	for body, status := range map[string]int{
		`{"identity_provider": {"remote_ids": ["a", "b"]}}`:                                            400,
		`{"identity_provider": {"oidc": {"audiences": []}}}`:                                           400,
		`{"identity_provider": {"remote_ids": ["http://a"], "oidc": {"audiences": ["b"]}}}`:            400,
		`{"identity_provider": {"remote_ids": ["https://127.0.0.1:1"], "oidc": {"audiences": ["b"]}}}`: 200,
	} {
		p.asRoot(status, http.MethodPatch, "/OS-FEDERATION/identity_providers/partner", body)
	}
	p.come(503, p.token("1", ann))
	p.asRoot(400, http.MethodPut, "/OS-FEDERATION/mappings/bad", `{"mapping": {"rules": [{"local": [], "remote": []}]}}`)
	p.asRoot(400, http.MethodPut, "/OS-FEDERATION/mappings/bad", `{"mapping": {"rules": `+partnerRules+`, "schema_version": "2.0"}}`)
	p.asRoot(400, http.MethodPut, "/OS-FEDERATION/mappings/b%20d", `{"mapping": {"rules": `+partnerRules+`}}`)
	p.asRoot(400, http.MethodPut, "/OS-FEDERATION/identity_providers/partner/protocols/other", `{"protocol": {"mapping_id": "none"}}`)
	p.asRoot(409, http.MethodPut, "/OS-FEDERATION/identity_providers/partner", `{"identity_provider": {}}`)
	p.asRoot(409, http.MethodDelete, "/OS-FEDERATION/mappings/rules", "")
	p.asRoot(204, http.MethodDelete, "/OS-FEDERATION/identity_providers/partner", "")
	p.asRoot(204, http.MethodDelete, "/OS-FEDERATION/mappings/rules", "")
}

// A mapping may say that somebody is a user of ours.
func TestLocalUser(t *testing.T) {
	p := startPartner(t, `[{"local": [{"user": {"name": "{0}", "type": "local", "domain": {"id": "default"}}}], "remote": [{"type": "preferred_username"}]}]`)
	ann := p.user("ann", "a good password", "")
	w := p.come(201, p.token("1", map[string]any{"preferred_username": "ann"}))
	if id := textAt(t, w, "token", "user", "id"); id != ann || strings.Contains(w.Body.String(), "OS-FEDERATION") {
		t.Errorf("token: %s", w.Body)
	}
	p.come(401, p.token("1", map[string]any{"preferred_username": "bob"}))
}

func TestFederatedPayload(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	long := directoryID("a", "user", "b")
	want := &token{user: long, methods: methodMapped | methodToken, scope: target{"project", cloud.NewHexID()}, issued: now, expires: now.Add(time.Hour),
		audit: newAuditID(), idp: "partner", protocol: "openid", groups: []string{cloud.NewHexID(), "odd", directoryID("a", "group", "b")}}
	payload := want.payload()
	got, err := parseToken(payload)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(token{}, target{})); diff != "" {
		t.Error(diff)
	}
	many := *want
	many.groups, many.parent, many.root = nil, newAuditID(), newAuditID()
	for i := range mostGroups + 1 {
		many.groups = append(many.groups, directoryID("a", "group", fmt.Sprint(i)))
	}
	key := newFernetKey()
	if text, err := key.seal(many.payload(), now); err != nil || len(text) > maxToken {
		t.Errorf("a token with many groups has %d characters, want at most %d (%v)", len(text), maxToken, err)
	}
	many.groups, many.idp, many.protocol = nil, "", ""
	if text, err := key.seal(many.payload(), now); err != nil || len(text) > 255 {
		t.Errorf("a token without groups has %d characters, want at most 255 (%v)", len(text), err)
	}
	for n := range payload {
		if _, err := parseToken(payload[:n]); err == nil {
			t.Errorf("%d bytes of %d are a token", n, len(payload))
		}
	}
}

// BenchmarkFederatedLogIn is a log-in with a JWT of an issuer whose keys are
// known.
func BenchmarkFederatedLogIn(b *testing.B) {
	p := startPartner(b, partnerRules)
	token := p.token("1", map[string]any{"preferred_username": "ann", "email": "ann@example.org"})
	p.come(201, token)
	b.ReportAllocs()
	for b.Loop() {
		p.come(201, token)
	}
}
