package archive

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// host writes an /etc with the given files and returns its path.
func host(t *testing.T, files map[string]string) string {
	t.Helper()
	etc := t.TempDir()
	files["os-release"] = "NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=bookworm\n"
	for name, text := range files {
		name = filepath.Join(etc, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return etc
}

func TestHostSource(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  Source
	}{
		"one line": {
			map[string]string{"apt/sources.list": `# comment
deb-src http://a.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://a.example/debian/ bookworm main contrib
deb http://s.example/debian-security bookworm-security main
`}, Source{Mirror: "http://a.example/debian", Security: "http://s.example/debian-security", Keyring: DebianKeyring}},
		"stanzas, with strangers around": {
			map[string]string{
				"apt/sources.list.d/a-stranger.list": "deb https://x.example/linux bookworm stable\n",
				"apt/sources.list.d/debian.sources": `Types: deb
# snapshot
URIs: http://b.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://b.example/debian-security
Suites: bookworm-security
Components: main
`,
			}, Source{Mirror: "http://b.example/debian", Security: "http://b.example/debian-security", Keyring: DebianKeyring}},
		"switched off, and a CD": {
			map[string]string{
				"apt/sources.list":             "deb cdrom:[Debian]/ bookworm main\ndeb file:/srv/debian bookworm main\n",
				"apt/sources.list.d/o.sources": "Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n",
			}, Source{Mirror: "file:/srv/debian", Keyring: DebianKeyring}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := HostSource(host(t, c.files))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestHostSourceNamesTheRemedy(t *testing.T) {
	_, err := HostSource(host(t, map[string]string{"apt/sources.list": "deb http://x.example/debian trixie main\n"}))
	if err == nil || !strings.Contains(err.Error(), "remedy: --mirror URI") {
		t.Errorf("got %v, want a remedy", err)
	}
}

func TestStanzaField(t *testing.T) {
	st := stanzas("Package: a\nDepends: b,\n c (>= 1)\nVersion: 1:2\n\n\nPackage: z\n")
	if len(st) != 2 {
		t.Fatalf("got %d stanzas, want 2", len(st))
	}
	if got := st[0].field("depends"); got != "b, c (>= 1)" {
		t.Errorf("got %q", got)
	}
	if got := st[0].field("Version"); got != "1:2" {
		t.Errorf("got %q", got)
	}
}

func TestRepositoryReadsWhatFillWrites(t *testing.T) {
	dir := t.TempDir()
	r := &Repository{Dir: dir, Index: "index-x"}
	if r.read() == nil {
		t.Fatal("a repository that is not there was read")
	}
	for name, text := range map[string]string{
		"index-x/Packages":         "Package: kmod\nVersion: 34-2\nFilename: debs/kmod_34-2_amd64.deb\nSHA256: 00\n\n",
		"debs/kmod_34-2_amd64.deb": "x",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.read(); err != nil {
		t.Fatal(err)
	}
	file, err := r.File("kmod")
	if err != nil || file != filepath.Join(dir, "debs/kmod_34-2_amd64.deb") {
		t.Errorf("got %s, %v", file, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if r.read() == nil {
		t.Error("a repository without one of its files was read")
	}
}
