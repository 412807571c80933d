package directory_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/identity/directory"
	"github.com/cairn-cloud/cairn/controller/identity/directory/directorytest"
)

func open(t *testing.T, options map[string]any) *directory.Conn {
	t.Helper()
	d, err := directory.New(options)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func names(users []directory.User) string {
	var list []string
	for _, u := range users {
		list = append(list, u.Name)
	}
	return strings.Join(list, " ")
}

// A real directory, over TLS: more entries than it gives at once, names that
// are filters, members that are no users.
func TestSearch(t *testing.T) {
	var people strings.Builder
	for i := range 60 {
		people.WriteString(directorytest.Person(fmt.Sprintf("u%02d", i), fmt.Sprintf("user %02d", i), "x"))
	}
	odd := `*)(uid=*)(|(cn=\2a`
	people.WriteString(directorytest.Person("odd", odd, "x"))
	server := directorytest.Start(t, people.String()+directorytest.Group("staff", "u01", "odd", "gone")+directorytest.Group("others", "u02"))
	c := open(t, server.Options())

	all, err := c.Users()
	if err != nil || len(all) != 61 {
		t.Fatalf("%d users, want 61 (%v)", len(all), err)
	}
	for name, want := range map[string]string{"user 07": "user 07", odd: odd, "*": "", "user*": "", "nobody": ""} {
		found, err := c.UsersNamed(name)
		if err != nil || names(found) != want {
			t.Errorf("named %q: %q, want %q (%v)", name, names(found), want, err)
		}
	}
	one, err := c.UsersWithID("odd")
	if err != nil || len(one) != 1 {
		t.Fatal(one, err)
	}
	want := directory.User{ID: "odd", DN: "uid=odd,ou=Users,dc=example,dc=org", Name: odd, Mail: "odd@example.org", Description: "somebody", Enabled: true}
	if diff := cmp.Diff(want, one[0]); diff != "" {
		t.Error(diff)
	}
	groups, err := c.GroupsOf(&one[0])
	if err != nil || len(groups) != 1 || groups[0].Name != "staff" {
		t.Fatalf("groups %+v (%v)", groups, err)
	}
	members, err := c.MembersOf(&groups[0])
	if err != nil || names(members) != "user 01 "+odd {
		t.Errorf("members %q (%v)", names(members), err)
	}
}

func TestProve(t *testing.T) {
	server := directorytest.Start(t, directorytest.Person("ann", "ann", "right"))
	options := server.Options()
	options["url"] = "ldap://" + server.Address // StartTLS
	for password, want := range map[string]bool{"right": true, "wrong": false, "": false} {
		c := open(t, options)
		found, err := c.UsersNamed("ann")
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		if got, err := c.Prove(&found[0], password); got != want || err != nil {
			t.Errorf("password %q: %v, want %v (%v)", password, got, want, err)
		}
		c = open(t, options)
		if got, err := c.Prove(c.Nobody(), password); got || err != nil {
			t.Errorf("nobody's password %q: %v (%v)", password, got, err)
		}
	}
}

// Each makes a directory that cannot be asked.
func TestAway(t *testing.T) {
	server := directorytest.Start(t, "")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for name, change := range map[string]map[string]any{
		"another authority":  {"tls_cacertfile": nil},
		"another name":       {"url": "ldaps://localhost:" + port(server.TLS)},
		"wrong password":     {"password": "wrong"},
		"nobody there":       {"url": "ldaps://127.0.0.1:1"},
		"TLS where is none":  {"url": "ldaps://" + server.Address},
		"nobody ever speaks": {"url": "ldaps://" + silent.Addr().String()},
		"no StartTLS spoken": {"url": "ldap://" + silent.Addr().String()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := server.Options()
			maps.Copy(options, change)
			d, err := directory.New(options)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Open(t.Context()); !directory.IsAway(err) {
				t.Error(err)
			}
		})
	}
}

// The second url is asked when the first does not answer, and who has gone
// waits for nothing.
func TestOpen(t *testing.T) {
	server := directorytest.Start(t, "")
	options := server.Options()
	options["url"] = "ldaps://127.0.0.1:1, ldaps://" + server.TLS
	open(t, options)
	d, err := directory.New(server.Options())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c, err := d.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	if _, err := c.Users(); !directory.IsAway(err) {
		t.Errorf("a search after its context has ended: %v", err)
	}
	if _, err := d.Open(ctx); !directory.IsAway(err) {
		t.Errorf("a connection after its context has ended: %v", err)
	}
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

func TestParse(t *testing.T) {
	good := map[string]any{"url": "ldaps://a", "user": "cn=a", "password": "b", "page_size": "100", "use_tls": "True", "user_filter": "(a=b)", "group_filter": nil}
	if _, err := directory.New(good); err != nil {
		t.Error(err)
	}
	for name, value := range map[string]any{
		"url": "ldap://a:b@c/", "tls_req_cert": "never", "chase_referrals": true, "query_scope": "base", "page_size": -1.0, "user_filter": "(a=b",
		"user_id_attribute": "a)(b", "suffix": "no dn", "pool_size": 3.0, "use_tls": 3.0, "tls_cacertfile": "-----BEGIN CERTIFICATE-----",
		"user": "cn=without password", "user_objectclass": "",
	} {
		if _, err := directory.New(map[string]any{"url": "ldaps://a", name: value}); !errors.Is(err, directory.ErrOption) {
			t.Errorf("%s = %v: %v", name, value, err)
		}
	}
	for _, url := range []string{"http://a", "ldapi:///", "ldap://", "ldaps://a/dc=b", ""} {
		if _, err := directory.Parse(map[string]any{"url": url}); err != nil {
			t.Errorf("url %q is kept: %v", url, err)
		}
		if _, err := directory.New(map[string]any{"url": url}); !errors.Is(err, directory.ErrOption) {
			t.Errorf("url %q is not used: %v", url, err)
		}
	}
	for _, file := range []string{"/dev/zero", "/etc", "/nowhere", "relative"} {
		if _, err := directory.New(map[string]any{"url": "ldaps://a", "tls_cacertfile": file}); !errors.Is(err, directory.ErrOption) {
			t.Errorf("certificates in %s: %v", file, err)
		}
	}
	if _, err := directory.Parse(map[string]any{"url": "ldap://a", "use_tls": false}); !errors.Is(err, directory.ErrOption) {
		t.Errorf("without TLS: %v", err)
	}
	for name, value := range directory.Defaults() {
		if n, ok := value.(int); ok { // as JSON has it
			value = float64(n)
		}
		if _, err := directory.Parse(map[string]any{name: value}); err != nil {
			t.Errorf("the default of %s is refused: %v", name, err)
		}
	}
}
