package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

func defaults(t *testing.T) *Set {
	t.Helper()
	s, err := New(Rule{Name: "show", Check: Reader}, Rule{Name: "make", Check: Member}, Rule{Name: "base", Check: "role:reader"}, Rule{Name: "uses", Check: "rule:base"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOverride(t *testing.T) {
	file := filepath.Join(t.TempDir(), "compute.yaml")
	if list, err := ReadFile(file); err != nil || list != nil {
		t.Errorf("a file that is not there: %v, %v", list, err)
	}
	text := "# who may make\n\"make\": \"rule:builders or role:admin\"\nbuilders: \"role:builder and project_id:%(project_id)s\"\nbase: '!'\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := defaults(t).Override(list)
	if err != nil {
		t.Fatal(err)
	}
	builder := &cloud.Caller{ProjectID: "p", Roles: []string{"builder"}}
	member := &cloud.Caller{ProjectID: "p", Roles: []string{"member", "reader"}}
	for _, c := range []struct {
		who  *cloud.Caller
		rule string
		want bool
	}{{builder, "make", true}, {member, "make", false}, {member, "show", true}, {member, "uses", false}, {builder, "show", false}} {
		if got := s.Allows(c.who, c.rule, Target{"project_id": "p"}); got != c.want {
			t.Errorf("%v may %s: %v, want %v", c.who.Roles, c.rule, got, c.want)
		}
	}
}

// Every mistake is told with its file, its line and its rule, all at once.
func TestOverrideMistakes(t *testing.T) {
	for text, wants := range map[string][]string{
		"show: 'role:a'\nmak: '@'":             {`p.yaml:2: rule "mak": there is no such rule`},
		"show: '('\nmake: 'role'":              {`p.yaml:1: rule "show": "("`, `p.yaml:2: rule "make": "role": "role" is no check`},
		"show: 'rule:make'\nmake: 'rule:show'": {`p.yaml:1: rule "show": `, "refers to itself"},
		"base: 'rule:uses'":                    {`p.yaml:1: rule "base": `, "refers to itself"},
		"show: 'rule:nope'":                    {`p.yaml:1: rule "show": `, `unknown rule "nope"`},
		"show: '@'\n\nshow: '!'":               {`p.yaml:3: rule "show": stands in line 1 already`},
		"show: [role, admin]":                  {`p.yaml:1: rule "show": want a check in quotes`},
		"show: true":                           {`p.yaml:1: rule "show": want a check in quotes`},
		"- show":                               {`p.yaml:1: want a mapping`},
		"show: '@":                             {`p.yaml: `},
		"odd: 'rule:odd'":                      {`p.yaml:1: rule "odd": there is no such rule`},
	} {
		list, err := Read("p.yaml", []byte(text))
		if err == nil {
			_, err = defaults(t).Override(list)
		}
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want an error with %q", text, err, want)
			}
		}
	}
}

// Whatever an operator writes is refused or works; nothing panics or runs on.
func FuzzRead(f *testing.F) {
	f.Add("show: 'role:a'\nmake: 'rule:show'\n")
	f.Add("? [a]\n: b\n")
	f.Add("a: &x '@'\nb: *x\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Read("p.yaml", []byte(text))
		if err != nil {
			return
		}
		if s, err := defaults(t).Override(list); err == nil {
			for _, r := range s.Rules() {
				s.Allows(&cloud.Caller{Roles: []string{"a"}}, r.Name, Target{})
			}
		}
	})
}
