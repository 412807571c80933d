package directory

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// Whatever a name consists of, the filter that finds it has the same shape,
// and compares with exactly that name.
func FuzzFilter(f *testing.F) {
	for _, name := range []string{"ann", "*", "a)(uid=*", `\2a`, "\x00", "ü", "(|(a=b)", strings.Repeat("(", 300)} {
		f.Add(name)
	}
	c := defaults()
	c.Users.Filter = "(!(employeeType=left))"
	want := shape(f, c.Users.users(equals(c.Users.Name, "x")))
	f.Fuzz(func(t *testing.T, name string) {
		text := c.Users.users(equals(c.Users.Name, name))
		if got := shape(t, text); got != want {
			t.Fatalf("the filter of %q is %q", name, text)
		}
		p, err := ldap.CompileFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		last := p.Children[len(p.Children)-1]
		if got := string(last.Children[1].ByteValue); got != name && last.Children[1].Value != name {
			t.Fatalf("the filter of %q compares with %q", name, got)
		}
	})
}

// shape is the kinds of a filter's parts, level by level.
func shape(t testing.TB, text string) string {
	t.Helper()
	p, err := ldap.CompileFilter(text)
	if err != nil {
		t.Fatalf("filter %q: %v", text, err)
	}
	kinds := ldap.FilterMap[uint64(p.Tag)]
	for parts := p.Children; len(parts) > 0; parts = parts[1:] {
		kinds += ", " + ldap.FilterMap[uint64(parts[0].Tag)]
		if parts[0].Tag == ldap.FilterAnd || parts[0].Tag == ldap.FilterNot {
			parts = append(parts, parts[0].Children...)
		}
	}
	return kinds
}

func TestEnabled(t *testing.T) {
	for _, test := range []struct {
		config UserConfig
		value  string
		want   bool
	}{
		{UserConfig{EnabledDefault: "True"}, "", true},
		{UserConfig{EnabledDefault: "False"}, "", false},
		{UserConfig{}, "TRUE", true},
		{UserConfig{}, "no", false},
		{UserConfig{EnabledInvert: true, EnabledDefault: "False"}, "", true},
		{UserConfig{EnabledInvert: true, EnabledDefault: "False"}, "true", false},
		{UserConfig{EnabledMask: 2, EnabledDefault: "512"}, "", true},
		{UserConfig{EnabledMask: 2}, "514", false},
		{UserConfig{EnabledMask: 2}, "66048", true},
		{UserConfig{EnabledMask: 2}, "many", false},
	} {
		if got := test.config.enabled(test.value); got != test.want {
			t.Errorf("%+v of %q: %v", test.config, test.value, got)
		}
	}
}
