package firmware

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

func TestCopyTakesWhatIsWanted(t *testing.T) {
	from := tree(t, map[string]string{
		"intel/ice/ddp/ice.pkg": "-> ice-1.pkg", "intel/ice/ddp/ice-1.pkg": "x", "intel/ice/ddp-comms/ice.pkg": "x",
		"tigon/tg3.bin": "x", "tigon/tg3_tso.bin": "x", "wifi.bin": "x", "one.bin": "-> tigon/tg3.bin",
	})
	to := t.TempDir()
	if err := Copy(to, from, []string{"absent.bin", "intel/ice/ddp/ice.pkg", "one.bin", "tigon/tg3*.bin"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := fs.WalkDir(os.DirFS(to), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		got = append(got, name)
		_, err = fs.Stat(os.DirFS(to), name) // no link leads to nothing
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"intel/ice/ddp/ice-1.pkg", "intel/ice/ddp/ice.pkg", "one.bin", "tigon/tg3.bin", "tigon/tg3_tso.bin"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestCopyRefusesLinksOutside(t *testing.T) {
	for text, want := range map[string]string{"-> /etc/passwd": "allowed: links inside", "-> ../../x": "is not below"} {
		from := tree(t, map[string]string{"a/b.bin": text})
		if err := Copy(t.TempDir(), from, []string{"a/b.bin"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestNoModulesWantNothing(t *testing.T) {
	if got, err := Wanted(t.Context(), nil); err != nil || len(got) > 0 {
		t.Errorf("got %v, %v", got, err)
	}
}
