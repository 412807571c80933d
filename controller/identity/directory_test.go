package identity

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/identity/directory/directorytest"
)

// A company is a service with a domain whose users come from a real directory.
type company struct {
	*accounts
	server *directorytest.Server
	domain string
}

func startCompany(t testing.TB, ldif string) *company {
	t.Helper()
	server := directorytest.Start(t, ldif)
	c := &company{startAccounts(t, DefaultPasswordRules()), server, ""}
	c.domain = textAt(t, c.asRoot(201, http.MethodPost, "/domains", `{"domain": {"name": "corp"}}`), "domain", "id")
	c.configure(201, http.MethodPut, map[string]any{"identity": map[string]any{"driver": "ldap"}, "ldap": server.Options()})
	return c
}

func (c *company) configure(status int, method string, config any) string {
	c.t.Helper()
	body, err := json.Marshal(map[string]any{"config": config})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.asRoot(status, method, "/domains/"+c.domain+"/config", string(body)).Body.String()
}

// listed are the ids by name of a list.
func (c *company) listed(path, name string) map[string]string {
	c.t.Helper()
	var body map[string]json.RawMessage
	if err := json.Unmarshal(c.asRoot(200, http.MethodGet, path, "").Body.Bytes(), &body); err != nil {
		c.t.Fatal(err)
	}
	var rows []struct{ ID, Name string }
	if err := json.Unmarshal(body[name], &rows); err != nil {
		c.t.Fatal(err)
	}
	ids := map[string]string{}
	for _, r := range rows {
		ids[r.Name] = r.ID
	}
	return ids
}

func (c *company) users(query string) map[string]string {
	c.t.Helper()
	return c.listed("/users?domain_id="+c.domain+query, "users")
}

// logInTo logs in by name, to a project if there is one, and gives the token.
func (c *company) logInTo(status int, name, password, project string) string {
	c.t.Helper()
	scope := ""
	if project != "" {
		scope = fmt.Sprintf(`, "scope": {"project": {"id": %q}}`, project)
	}
	return c.ask(status, "", http.MethodPost, "/auth/tokens", fmt.Sprintf(
		`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": %q, "domain": {"name": "corp"}, "password": %q}}}%s}}`,
		name, password, scope)).Header().Get("X-Subject-Token")
}

const people = "ann bob eve"

func somePeople() string {
	text := ""
	for name := range strings.SplitSeq(people, " ") {
		text += directorytest.Person("id-"+name, name, name+"'s")
	}
	return text
}

func TestDirectory(t *testing.T) {
	c := startCompany(t, somePeople()+directorytest.Group("staff", "id-ann", "id-bob")+directorytest.Group("guests", "id-eve"))
	member := c.listed("/roles", "roles")["member"]
	project := textAt(t, c.asRoot(201, http.MethodPost, "/projects", `{"project": {"name": "shop"}}`), "project", "id")

	// Nobody is known here yet; who is listed is known afterwards.
	if all := c.listed("/users", "users"); len(all) != 1 {
		t.Errorf("users without a domain: %v, want admin alone", all)
	}
	if one := c.users("&name=ann"); len(one) != 1 || one["ann"] == "" {
		t.Errorf("users named ann: %v", one)
	}
	if none := c.users("&name=*"); len(none) != 0 {
		t.Errorf("users named *: %v", none)
	}
	ids := c.users("")
	if len(ids) != 3 || ids["ann"] != directoryID(c.domain, "user", "id-ann") || len(ids["ann"]) != 64 {
		t.Fatalf("users: %v", ids)
	}
	if page := c.users("&limit=2"); len(page) != 2 {
		t.Errorf("a page of two: %v", page)
	}
	w := c.asRoot(200, http.MethodGet, "/users/"+ids["ann"], "")
	if got := textAt(t, w, "user", "email"); got != "id-ann@example.org" {
		t.Errorf("ann's address is %q", got)
	}
	groups := c.listed("/groups?domain_id="+c.domain, "groups")
	if len(groups) != 2 {
		t.Fatalf("groups: %v", groups)
	}
	if in := c.listed("/groups/"+groups["staff"]+"/users", "users"); len(in) != 2 || in["bob"] == "" {
		t.Errorf("staff is %v", in)
	}
	c.asRoot(204, http.MethodHead, "/groups/"+groups["guests"]+"/users/"+ids["eve"], "")
	c.asRoot(404, http.MethodHead, "/groups/"+groups["staff"]+"/users/"+ids["eve"], "")
	if of := c.listed("/users/"+ids["eve"]+"/groups", "groups"); len(of) != 1 || of["guests"] == "" {
		t.Errorf("eve's groups are %v", of)
	}

	// Roles of a user and of a group count.
	c.logInTo(401, "ann", "ann's", project)
	c.logInTo(401, "eve", "eve's", project)
	c.asRoot(204, http.MethodPut, "/projects/"+project+"/groups/"+groups["staff"]+"/roles/"+member, "")
	c.asRoot(204, http.MethodPut, "/projects/"+project+"/users/"+ids["eve"]+"/roles/"+member, "")
	ann, eve := c.logInTo(201, "ann", "ann's", project), c.logInTo(201, "eve", "eve's", project)
	c.logIn(201, ids["bob"], "bob's")
	for name, password := range map[string]string{"ann": "eve's", "bob": "", "nobody": "x", "*": "ann's", "ann)(uid=*": "ann's"} {
		c.logInTo(401, name, password, "")
	}

	// The directory is not asked whether a token is valid, and nobody else is
	// disturbed when it is away.
	c.server.Stop()
	for _, token := range []string{ann, eve} {
		if v, err := c.service.validate(token); err != nil || len(v.roles) != 2 { // member and reader
			t.Errorf("a token without the directory: %v", err)
		}
	}
	if w := c.ask(503, "", http.MethodPost, "/auth/tokens", `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "`+ids["ann"]+
		`", "password": "ann's"}}}}}`); strings.Contains(w.Body.String(), "127.0.0.1") {
		t.Errorf("who logs in learns where the directory is: %s", w.Body)
	}
	if w := c.asRoot(503, http.MethodGet, "/users?domain_id="+c.domain, ""); !strings.Contains(w.Body.String(), "127.0.0.1") {
		t.Errorf("an administrator does not learn what is wrong: %s", w.Body)
	}
	adminToken(t, c.service)
	if all := c.listed("/users", "users"); len(all) != 4 {
		t.Errorf("users without a domain: %v", all)
	}
	c.server.Run(t)
}

// What is written there counts here: at once where it is looked for, and else
// when it is looked at again.
func TestDirectoryChanges(t *testing.T) {
	c := startCompany(t, somePeople()+directorytest.Group("staff", "id-ann", "id-bob", "id-eve"))
	member := c.listed("/roles", "roles")["member"]
	project := textAt(t, c.asRoot(201, http.MethodPost, "/projects", `{"project": {"name": "shop"}}`), "project", "id")
	staff := c.listed("/groups?domain_id="+c.domain, "groups")["staff"]
	c.asRoot(204, http.MethodPut, "/projects/"+project+"/groups/"+staff+"/roles/"+member, "")
	tokens := map[string]string{}
	for name := range strings.SplitSeq(people, " ") {
		tokens[name] = c.logInTo(201, name, name+"'s", project)
	}
	c.server.Change(t, `dn: uid=id-ann,ou=Users,dc=example,dc=org
changetype: modify
add: employeeType
employeeType: FALSE

dn: uid=id-bob,ou=Users,dc=example,dc=org
changetype: delete

dn: cn=staff,ou=Groups,dc=example,dc=org
changetype: modify
delete: member
member: uid=id-eve,ou=Users,dc=example,dc=org

`)
	for name, token := range tokens {
		if _, err := c.service.validate(token); err != nil {
			t.Errorf("%s's token before anybody has looked: %v", name, err)
		}
	}
	if err := c.service.lookAgain(t.Context(), c.domain); err != nil {
		t.Fatal(err)
	}
	checkSnapshot(t, c.service)
	for name, token := range tokens {
		if _, err := c.service.validate(token); err == nil {
			t.Errorf("%s's token is valid still", name)
		}
		c.logInTo(401, name, name+"'s", project)
	}
	c.logInTo(201, "eve", "eve's", "")
	if ids := c.users(""); len(ids) != 2 || ids["bob"] != "" {
		t.Errorf("users: %v", ids)
	}
	bob := directoryID(c.domain, "user", "id-bob")
	c.asRoot(404, http.MethodGet, "/users/"+bob, "")

	// Another bob is another user, and may have the name; two are none.
	c.server.Change(t, "dn: uid=bob-2,ou=Users,dc=example,dc=org\nchangetype: add\n"+strings.SplitN(directorytest.Person("bob-2", "bob", "new"), "\n", 2)[1])
	c.logInTo(201, "bob", "new", "")
	c.server.Change(t, "dn: uid=id-bob,ou=Users,dc=example,dc=org\nchangetype: add\n"+strings.SplitN(directorytest.Person("id-bob", "bob", "old"), "\n", 2)[1])
	c.logInTo(401, "bob", "new", "")
	c.logInTo(401, "bob", "old", "")
	c.server.Change(t, "dn: uid=bob-2,ou=Users,dc=example,dc=org\nchangetype: delete\n\n")
	c.logInTo(201, "bob", "old", "")
	if ids := c.users("&name=bob"); ids["bob"] != bob {
		t.Errorf("bob is %v, want %s", ids, bob)
	}

	checkSnapshot(t, c.service)

	// When users come from elsewhere nobody of the directory is left.
	eve := c.logInTo(201, "eve", "eve's", "")
	c.asRoot(204, http.MethodDelete, "/domains/"+c.domain+"/config/identity/driver", "")
	if _, err := c.service.validate(eve); err == nil || len(c.users("")) != 0 {
		t.Errorf("there are users still: %v", c.users(""))
	}
	c.logInTo(401, "eve", "eve's", "")
	c.asRoot(201, http.MethodPost, "/users", `{"user": {"name": "eve", "domain_id": "`+c.domain+`"}}`)
	c.configure(409, http.MethodPatch, map[string]any{"identity": map[string]any{"driver": "ldap"}})
}

// Two may change their names for each other's.
func TestDirectoryNames(t *testing.T) {
	c := startCompany(t, somePeople())
	before := c.users("")
	change := ""
	for id, name := range map[string]string{"id-ann": "bob", "id-bob": "eve", "id-eve": "ann"} {
		change += "dn: uid=" + id + ",ou=Users,dc=example,dc=org\nchangetype: modify\nreplace: cn\ncn: " + name + "\n\n"
	}
	c.server.Change(t, change)
	want := map[string]string{"bob": before["ann"], "eve": before["bob"], "ann": before["eve"]}
	if diff := cmp.Diff(want, c.users("")); diff != "" {
		t.Error(diff)
	}
	checkSnapshot(t, c.service)
	c.logInTo(201, "bob", "ann's", "")
}

func TestDirectoryIsReadOnly(t *testing.T) {
	c := startCompany(t, somePeople()+directorytest.Group("staff", "id-ann"))
	ann := c.users("")["ann"]
	staff := c.listed("/groups?domain_id="+c.domain, "groups")["staff"]
	own := c.user("own", "a good password", "")
	for _, r := range [][3]string{
		{http.MethodPost, "/users", `{"user": {"name": "new", "domain_id": "DOMAIN"}}`},
		{http.MethodPatch, "/users/" + ann, `{"user": {"enabled": false}}`},
		{http.MethodDelete, "/users/" + ann, ""},
		{http.MethodPost, "/users/" + ann + "/password", `{"user": {"password": "new", "original_password": "ann's"}}`},
		{http.MethodPost, "/groups", `{"group": {"name": "new", "domain_id": "DOMAIN"}}`},
		{http.MethodPatch, "/groups/" + staff, `{"group": {"name": "crew"}}`},
		{http.MethodDelete, "/groups/" + staff, ""},
		{http.MethodPut, "/groups/" + staff + "/users/" + own, ""},
		{http.MethodDelete, "/groups/" + staff + "/users/" + ann, ""},
	} {
		w := c.asRoot(403, r[0], r[1], strings.ReplaceAll(r[2], "DOMAIN", c.domain))
		if !strings.Contains(w.Body.String(), "only read here") {
			t.Errorf("%s %s does not say why: %s", r[0], r[1], w.Body)
		}
	}
	c.asRoot(200, http.MethodPatch, "/domains/"+c.domain, `{"domain": {"enabled": false}}`)
	c.logInTo(401, "ann", "ann's", "")
	c.asRoot(204, http.MethodDelete, "/domains/"+c.domain, "")
}

// A configuration never shows its password, is kept in parts, and tells what
// it cannot be used for.
func TestDirectoryConfiguration(t *testing.T) {
	c := startCompany(t, somePeople())
	shown := c.asRoot(200, http.MethodGet, "/domains/"+c.domain+"/config", "").Body.String() +
		c.configure(200, http.MethodPatch, map[string]any{"ldap": map[string]any{"password": directorytest.ReaderPassword}}) +
		c.asRoot(404, http.MethodGet, "/domains/"+c.domain+"/config/ldap/password", "").Body.String()
	row, err := c.service.tables.configs.Get(t.Context(), c.domain)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(shown+row.Sealed, directorytest.ReaderPassword) || !strings.Contains(shown, directorytest.Reader) {
		t.Errorf("shown: %s", shown)
	}
	for option, value := range map[string]any{"tls_req_cert": "allow", "use_pool": true, "user_filter": "(", "page_size": "many"} {
		status := 400
		if option == "use_pool" {
			status = 403
		}
		c.configure(status, http.MethodPatch, map[string]any{"ldap": map[string]any{option: value}})
	}
	for url, why := range map[string]string{
		"ldap://" + c.server.TLS: "StartTLS", "http://directory": "allowed: ldaps://", "ldaps://" + c.server.Address: "cannot be asked",
	} {
		c.configure(200, http.MethodPatch, map[string]any{"ldap": map[string]any{"url": url}})
		if w := c.asRoot(503, http.MethodGet, "/users?domain_id="+c.domain, ""); !strings.Contains(w.Body.String(), why) {
			t.Errorf("url %s: %s", url, w.Body)
		}
		c.logInTo(503, "ann", "ann's", "")
	}
	c.configure(200, http.MethodPatch, map[string]any{"ldap": map[string]any{"url": "ldap://" + c.server.Address}})
	c.logInTo(201, "ann", "ann's", "")
	c.configure(200, http.MethodPatch, map[string]any{"identity": map[string]any{"driver": "nonsense"}})
	c.logInTo(503, "ann", "ann's", "")
	c.asRoot(403, http.MethodPost, "/users", `{"user": {"name": "new", "domain_id": "`+c.domain+`"}}`)
	if all := c.listed("/users", "users"); all["admin"] == "" {
		t.Errorf("users: %v", all)
	}
}

// BenchmarkDirectoryLogIn is a log-in of a directory's user who is known: TLS,
// two searches and a bind.
func BenchmarkDirectoryLogIn(b *testing.B) {
	c := startCompany(b, somePeople()+directorytest.Group("staff", "id-ann"))
	c.logInTo(201, "ann", "ann's", "")
	b.ReportAllocs()
	for b.Loop() {
		c.logInTo(201, "ann", "ann's", "")
	}
}

// BenchmarkDirectoryList is a list of a directory's 1000 users, who are known.
// first-ms/op is the time of the first one, that makes them known.
func BenchmarkDirectoryList(b *testing.B) {
	var people strings.Builder
	for i := range 1000 {
		people.WriteString(directorytest.Person(fmt.Sprintf("u%d", i), fmt.Sprintf("user %d", i), "x"))
	}
	c := startCompany(b, people.String())
	began := time.Now()
	if n := len(c.users("")); n != 1000 {
		b.Fatalf("%d users", n)
	}
	first := time.Since(began)
	b.ReportAllocs()
	for b.Loop() {
		c.users("")
	}
	b.ReportMetric(float64(first.Milliseconds()), "first-ms/op")
}
