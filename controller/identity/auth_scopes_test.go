package identity

import (
	"net/http"
	"testing"
)

// A service may look at a token that has expired while it worked; at one that
// was given back not, nor may others.
func TestExpiredTokens(t *testing.T) {
	a := startAccounts(t, DefaultPasswordRules())
	ann, ben, root := a.user("ann", "right", ""), a.user("ben", "right", ""), adminPassword(t, a.service)
	project := textAt(t, a.asRoot(201, http.MethodPost, "/projects", `{"project": {"name": "shop"}}`), "project", "id")
	a.asRoot(204, http.MethodPut, "/projects/"+project+"/users/"+ben+"/roles/"+a.service.now.Load().roleNamed.at("", roleService).ID, "")
	token := a.logIn(201, ann, "right").Header().Get(headerSubject)
	revoked := a.logIn(201, ann, "right").Header().Get(headerSubject)
	a.ask(204, revoked, http.MethodDelete, "/auth/tokens", "", headerSubject, revoked)

	a.clock.move(tokenLifetime)
	service, admin := loginAs(t, a.handler, "ben", "right", "shop"), loginAs(t, a.handler, "admin", root, "admin")
	look := func(status int, as, token, query string) {
		t.Helper()
		a.ask(status, as, http.MethodGet, "/auth/tokens"+query, "", headerSubject, token)
	}
	look(404, service, token, "")
	look(404, service, token, "?allow_expired=0")
	look(200, service, token, "?allow_expired=1")
	look(404, admin, token, "?allow_expired=1")
	look(404, service, revoked, "?allow_expired=1")
	a.ask(401, token, http.MethodGet, "/auth/projects?allow_expired=1", "")
	if err := a.service.trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	look(404, service, revoked, "?allow_expired=1")
	a.clock.move(expiredWindow - tokenLifetime/2)
	service = loginAs(t, a.handler, "ben", "right", "shop")
	look(200, service, token, "?allow_expired=1")
	a.clock.move(tokenLifetime / 2)
	look(404, service, token, "?allow_expired=1")
}
