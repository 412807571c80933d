package policy

import (
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

func TestAllows(t *testing.T) {
	alice := &cloud.Caller{UserID: "a", ProjectID: "p", Roles: []string{"member", "reader"}}
	admin := &cloud.Caller{UserID: "r", ProjectID: "q", Roles: []string{"admin"}, IsAdmin: true}
	mine, others := Target{"project_id": "p", "user_id": "a"}, Target{"project_id": "x", "user_id": "x"}
	for _, c := range []struct {
		check  string
		caller *cloud.Caller
		target Target
		want   bool
	}{
		{"", alice, nil, true}, {"@", alice, nil, true}, {"!", admin, nil, false}, {"@", nil, nil, false},
		{"role:member", alice, nil, true}, {"role:Member", alice, nil, true}, {"role:admin", alice, nil, false},
		{Member, alice, mine, true}, {Member, alice, others, false}, {Member, admin, others, true}, {Member, alice, nil, false},
		{Reader, alice, mine, true}, {Self, alice, mine, true}, {Self, alice, others, false},
		{"project_id:%(project_id)s", &cloud.Caller{}, Target{"project_id": ""}, false}, // nothing equals nothing
		{"not role:admin", alice, nil, true}, {"not role:admin", admin, nil, false},
		{"role:x or role:y and role:member", alice, nil, false}, // and binds stronger
		{"role:member or role:y and role:x", alice, nil, true},
		{"(role:member or role:y) and role:x", alice, nil, false},
		{"rule:base", alice, nil, true}, {"is_admin:True", admin, nil, true}, {"is_admin:True", alice, nil, false},
		{"user_id:a", alice, nil, true}, {"'x':%(kind)s", alice, Target{"kind": "x"}, true}, {"system_scope:all", &cloud.Caller{System: true}, nil, true},
	} {
		s, err := New(Rule{Name: "base", Check: "role:reader"}, Rule{Name: "r", Check: c.check})
		if err != nil {
			t.Errorf("%q: %v", c.check, err)
			continue
		}
		if got := s.Allows(c.caller, "r", c.target); got != c.want {
			t.Errorf("%q of %+v to %v: %v, want %v", c.check, c.caller, c.target, got, c.want)
		}
	}
	s, err := New()
	if err != nil || s.Allows(admin, "nope", nil) {
		t.Errorf("a rule that does not exist lets somebody (%v)", err)
	}
}

func TestMistakes(t *testing.T) {
	for check, why := range map[string]string{
		"role": "no check", "role:": "no check", "(role:a": "missing", "role:a role:b": "unexpected", "role:a or": "too early", "not": "too early",
		"rule:nope": "unknown rule", "rule:r": "refers to itself",
	} {
		if _, err := New(Rule{Name: "r", Check: check}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want an error with %q", check, err, why)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Member)
	f.Add("not (role:a or (rule:b and @))")
	f.Fuzz(func(_ *testing.T, s string) { _, _ = parse(s) })
}
