package federation

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mapping(t testing.TB, rules string) *Mapping {
	t.Helper()
	m, err := ParseMapping([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const everything = `[
	{"local": [{"user": {"name": "{0}", "id": "{1}", "email": "{2}"}}],
	 "remote": [{"type": "OIDC-preferred_username"}, {"type": "sub"}, {"type": "HTTP_OIDC_EMAIL"}, {"type": "email_verified", "any_one_of": ["true"]}]},
	{"local": [{"groups": "{0}", "domain": {"name": "corp"}}],
	 "remote": [{"type": "groups", "whitelist": ["^dev-", "ops"], "regex": true}]},
	{"local": [{"group_ids": "{0}"}, {"group": {"id": "g2"}}, {"group": {"name": "all but {1}", "domain": {"id": "default"}}}],
	 "remote": [{"type": "ids", "blacklist": ["bad"]}, {"type": "sub"}]},
	{"local": [{"projects": [{"name": "of {0}", "roles": [{"name": "member"}, {"name": "reader"}]}]}],
	 "remote": [{"type": "sub"}, {"type": "groups", "not_any_of": ["guest"]}]},
	{"local": [{"user": {"name": "second"}}], "remote": [{"type": "sub"}]},
	{"local": [{"group": {"id": "never"}}], "remote": [{"type": "sub", "any_one_of": ["^A"], "regex": true}]}
]`

func TestApply(t *testing.T) {
	claims, err := ClaimsOf([]byte(`{"preferred_username": "ann", "sub": "1-2", "email": "ann@example.org", "email_verified": true,
		"groups": ["dev-a", "x", "ops", "dev-b"], "ids": ["g1", "bad"], "nested": {"deep": [1, 2.5]}}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := mapping(t, everything).Apply(claims)
	if err != nil {
		t.Fatal(err)
	}
	corp := Domain{Name: "corp"}
	want := &Result{
		User:     User{ID: "1-2", Name: "ann", Email: "ann@example.org"},
		Groups:   []Group{{"dev-a", corp}, {"ops", corp}, {"dev-b", corp}, {"all but 1-2", Domain{ID: "default"}}},
		GroupIDs: []string{"g1", "g2"},
		Projects: []Project{{Name: "of 1-2", Roles: []string{"member", "reader"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"1", "2.5"}, claims["nested.deep"]); diff != "" {
		t.Error(diff)
	}
	delete(claims, "email_verified") // who does not prove an address is the second user, and a guest gets no project
	claims["groups"] = []string{"guest"}
	got, err = mapping(t, everything).Apply(claims)
	if err != nil || got.User.Name != "second" || len(got.Projects) != 0 {
		t.Errorf("%+v (%v)", got, err)
	}
	if _, err := mapping(t, everything).Apply(Claims{"aud": {"x"}}); !errors.Is(err, ErrNobody) {
		t.Error(err)
	}
	if got, err := mapping(t, `[{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "a"}]}]`).Apply(Claims{"a": {"1", "2"}}); err == nil {
		t.Errorf("a user with two names: %+v", got)
	}
	local := mapping(t, `[{"local": [{"user": {"name": "{0}", "type": "local", "domain": {"id": "default"}}}], "remote": [{"type": "a"}]}]`)
	if got, err := local.Apply(Claims{"a": {"bob"}}); err != nil || !got.User.Local || got.User.Domain.ID != "default" {
		t.Errorf("%+v (%v)", got, err)
	}
}

func TestRefusedMappings(t *testing.T) {
	for name, rules := range map[string]string{
		"not a list":           `{}`,
		"empty":                `[]`,
		"no remote":            `[{"local": [{"user": {"name": "a"}}], "remote": []}]`,
		"no local":             `[{"local": [], "remote": [{"type": "a"}]}]`,
		"no type":              `[{"local": [{"user": {"name": "a"}}], "remote": [{"any_one_of": ["a"]}]}]`,
		"two conditions":       `[{"local": [{"user": {"name": "a"}}], "remote": [{"type": "a", "any_one_of": ["a"], "not_any_of": ["b"]}]}]`,
		"a place too many":     `[{"local": [{"user": {"name": "{1}"}}], "remote": [{"type": "a"}]}]`,
		"a place of none":      `[{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "a", "any_one_of": ["a"]}]}]`,
		"bad pattern":          `[{"local": [{"user": {"name": "a"}}], "remote": [{"type": "a", "any_one_of": ["(?=a)"], "regex": true}]}]`,
		"regex alone":          `[{"local": [{"user": {"name": "a"}}], "remote": [{"type": "a", "regex": true}]}]`,
		"unknown word":         `[{"local": [{"user": {"title": "a"}}], "remote": [{"type": "a"}]}]`,
		"unknown kind":         `[{"local": [{"user": {"name": "a", "type": "root"}}], "remote": [{"type": "a"}]}]`,
		"groups of no domain":  `[{"local": [{"groups": "{0}"}], "remote": [{"type": "a"}]}]`,
		"group of no domain":   `[{"local": [{"group": {"name": "a"}}], "remote": [{"type": "a"}]}]`,
		"project without role": `[{"local": [{"projects": [{"name": "a", "roles": []}]}], "remote": [{"type": "a"}]}]`,
	} {
		if _, err := ParseMapping([]byte(rules)); !errors.Is(err, ErrMapping) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever the rules and the claims, applying ends in users or an error, and
// what was parsed never looks for a value that is not there.
func FuzzMapping(f *testing.F) {
	f.Add(everything, `{"sub": "1", "groups": ["dev-a"], "ids": ["{0}"]}`)
	f.Add(`[{"local": [{"user": {"name": "{0}{0}"}}], "remote": [{"type": "a", "whitelist": []}]}]`, `{"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}`)
	f.Fuzz(func(t *testing.T, rules, object string) {
		m, err := ParseMapping([]byte(rules))
		if err != nil {
			return
		}
		claims, err := ClaimsOf([]byte(object))
		if err != nil {
			return
		}
		got, err := m.Apply(claims)
		if err == nil && got.User.ID == "" && got.User.Name == "" {
			t.Fatalf("nobody, without an error: %+v", got)
		}
	})
}

func TestOutside(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:443": false, "[::1]:443": false, "0.0.0.0:443": false, "169.254.169.254:443": false, "[fe80::1%eth0]:443": false,
		"[::ffff:127.0.0.1]:443": false, "224.0.0.1:443": false, "10.0.0.1:443": true, "192.0.2.1:443": true, "[2001:db8::1]:443": true,
	} {
		if err := outside(address); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}
