package rootfs

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/image-builder/recipe"
)

// tree writes files below a new directory; a content of "-> x" makes a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		to, link := strings.CutPrefix(text, "-> ")
		var err error
		if link {
			err = os.Symlink(to, name)
		} else {
			err = os.WriteFile(name, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTrimKeepsDirectoriesOfLogs(t *testing.T) {
	dir := tree(t, map[string]string{
		"var/log/mysql/error.log": "x", "var/cache/x/y": "x", "var/tmp/z": "x", "var/backups/b": "x",
		"usr/bin/tool-a": "x", "usr/bin/tool-b": "x", "dev/shm/left": "x",
	})
	r := recipe.Recipe{Remove: []recipe.Path{{Path: "/usr/bin/tool-[^b]", Why: "test"}, {Path: "/dev/*", Why: "test"}}}
	if err := trim(context.Background(), dir, Options{Recipe: r}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"var/log/mysql": true, "var/log/mysql/error.log": false, "var/cache/x": true, "var/cache/x/y": false,
		"usr/bin/tool-a": false, "usr/bin/tool-b": true, "dev": true, "dev/shm": false, "proc": true, "tmp": true,
	} {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: there %t, want %t", name, err == nil, want)
		}
	}
}

func TestCompleteFollowsLinksInsideTheTree(t *testing.T) {
	dir := tree(t, map[string]string{"usr/lib/real": "x", "usr/lib/link": "-> real", "usr/lib/dead": "-> gone"})
	need := func(path string) error {
		return complete(context.Background(), dir, Options{Recipe: recipe.Recipe{Needs: []recipe.Path{{Path: path, Why: "a test"}}}})
	}
	if err := need("/usr/lib/link"); err != nil {
		t.Error(err)
	}
	if err := need("/usr/lib/dead"); err == nil || !strings.Contains(err.Error(), "the image has no /usr/lib/dead (a test)") {
		t.Errorf("got %v", err)
	}
}

func TestFactoryLeavesAMountPoint(t *testing.T) {
	dir := tree(t, map[string]string{"var/lib/x": "x", "etc/y": "y"})
	if err := factory(context.Background(), dir, Options{}); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "var"))
	if err != nil || len(left) != 0 {
		t.Errorf("/var has %d entries (%v), want none", len(left), err)
	}
	for _, name := range []string{"usr/share/factory/var/lib/x", "usr/share/factory/var/.updated", "etc/.updated"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestDatabaseOptionsAreThoseOfTheServer(t *testing.T) {
	got := databaseOptions()
	for _, want := range []string{"[mariadbd]", "innodb-log-file-size=", "character-set-server=utf8mb4"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "ssl") {
		t.Errorf("options of one machine are in\n%s", got)
	}
}

func TestUnwantedProfilesGoAndAbstractionsStay(t *testing.T) {
	dir := tree(t, map[string]string{"usr.sbin.a": "x", "usr.sbin.b": "x", "c": "-> usr.sbin.b", "abstractions/base": "x"})
	if err := keepProfiles(dir, []recipe.Path{{Path: "/etc/apparmor.d/usr.sbin.a", Why: "a test"}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"usr.sbin.a": true, "usr.sbin.b": false, "c": false, "abstractions/base": true} {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: there %t, want %t", name, err == nil, want)
		}
	}
}

func TestProfilesNeedAKnownKernel(t *testing.T) {
	if got, err := kernelFeatures("6.12.117+deb13-amd64"); err != nil || !strings.HasPrefix(string(got), "capability {") {
		t.Errorf("got %.20q, %v", got, err)
	}
	if _, err := kernelFeatures("6.99.1-amd64"); err == nil || !strings.Contains(err.Error(), "kernel-6.99.features") {
		t.Errorf("got %v", err)
	}
}

func TestEveryProfileHasToBeCompiled(t *testing.T) {
	wanted := []recipe.Path{{Path: "/etc/apparmor.d/a", Why: "a test"}, {Path: "/etc/apparmor.d/b", Why: "a test"}}
	for want, files := range map[string]map[string]string{
		"":                                   {"1.0/a": "x", "1.0/b": "x", "1.0/.features": "x"},
		"made 2 caches":                      {"1.0/a": "x", "1.0/b": "x", "2.0/a": "x"},
		"/etc/apparmor.d/b (a test) was not": {"1.0/a": "x"},
		"compiled to nothing":                {"1.0/a": "x", "1.0/b": ""},
	} {
		err := compiled(tree(t, files), wanted)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestRootHash(t *testing.T) {
	hash := strings.Repeat("0a", 32)
	if got, err := rootHash("VERITY header\nRoot hash:      \t" + hash + "\n"); err != nil || got != hash {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := rootHash("nothing"); err == nil {
		t.Error("an answer without a root hash passed")
	}
}
