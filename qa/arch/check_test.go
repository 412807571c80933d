package arch

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"node/spec", "node/spec", true},
		{"node/spec", "node/specs", false},
		{"node/...", "node", true},
		{"node/...", "node/guest/lxc", true},
		{"node/...", "nodes", false},
		{"controller/*/ipam", "controller/network/ipam", true},
		{"controller/*/ipam", "controller/ipam", false},
		{"...", "anything/at/all", true},
	} {
		if got := match(c.pattern, c.name); got != c.want {
			t.Errorf("match(%q, %q) = %t, want %t", c.pattern, c.name, got, c.want)
		}
	}
}

func TestCheckImportsFindsWhatTheTableForbids(t *testing.T) {
	pkg := func(name string, imports ...string) Package {
		return Package{ImportPath: Module + "/" + name, Imports: imports, Deps: imports}
	}
	all := []Package{
		{ImportPath: "fmt", Standard: true}, {ImportPath: "net/http", Standard: true}, {ImportPath: "other.org/x"},
		pkg("node/spec", "fmt"),
		pkg("node/spec", "other.org/x"),
		pkg("controller/compute", Module+"/controller/network"),
		pkg("controller/compute", Module+"/controller/compute/scheduler", Module+"/controller/internal/api"),
		pkg("controller/compute/scheduler", "net/http"),
		pkg("controller/internal/policy", Module+"/controller/internal/api"),
		pkg("node/guest/lxc", Module+"/node/guest", Module+"/node/host"),
		pkg("node/guest", Module+"/node/vswitch"),
		pkg("qa/lab", Module+"/installer/plan"),
		pkg("elsewhere"),
	}
	got := CheckImports(Rules, all)
	for i := range got {
		got[i] = firstWords(got[i])
	}
	want := []string{
		"node/spec imports other.org/x",
		"controller/compute imports " + Module + "/controller/network",
		"controller/compute/scheduler reaches net/http",
		"controller/internal/policy imports " + Module + "/controller/internal/api",
		"node/guest imports " + Module + "/node/vswitch",
		"qa/lab imports " + Module + "/installer/plan",
		"elsewhere: no rule of the import table is about it",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// firstWords cuts the reason off a line.
func firstWords(line string) string {
	for i := range line {
		if line[i] == ';' {
			return line[:i]
		}
	}
	return line
}

func TestCheckFolders(t *testing.T) {
	var all []Package
	for _, name := range []string{"node/agent", "node/util", "extra/thing", "qa/a/b/c", "qa/a/b/c/d"} {
		all = append(all, Package{ImportPath: Module + "/" + name})
	}
	want := []string{
		`node/util: a folder called "util" says nothing; name it after what it does`,
		`"extra/thing": code at the top; allowed: [cmd installer pxe image-builder node controller hardening iso qa]`,
		"qa/a/b/c/d: 4 levels below qa; allowed: 3",
	}
	if d := cmp.Diff(want, CheckFolders(all)); d != "" {
		t.Error(d)
	}
}

func TestFileChecks(t *testing.T) {
	dir := t.TempDir()
	archive := "deb." + "debian.org"
	for name, text := range map[string]string{
		"README.md":     "[a](b/there.md#x) [b](gone.md) [c](https://x.org/y) [d](#here) `[e](code.md)`",
		"b/there.md":    "text",
		"b/sources.txt": "first\nfrom http://" + archive + "/debian\n",
		"b/binary":      "\x00" + archive,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	links, err := CheckLinks(dir, files)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"README.md: link to gone.md leads nowhere"}, links); d != "" {
		t.Error(d)
	}
	text, err := CheckText(dir, files)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`b/sources.txt:2: forbidden text "` + archive + `": ` + Forbidden[0].Why}
	if d := cmp.Diff(want, text); d != "" {
		t.Error(d)
	}
}
