// Package built finds what `make iso` has made, for tests that boot it. The
// package imports nothing of ours; only tests import it.
package built

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Long skips a test that takes minutes, unless CAIRN_LONG is set.
func Long(t testing.TB) {
	t.Helper()
	if os.Getenv("CAIRN_LONG") == "" {
		t.Skip("emulates machines, which takes minutes; CAIRN_LONG=1 runs it")
	}
}

// Out is the directory of what was built, as an absolute path: CAIRN_OUT, or
// out of this source tree. A test is skipped that lacks one of the files, which
// are named from there.
func Out(t testing.TB, files ...string) string {
	t.Helper()
	out := os.Getenv("CAIRN_OUT")
	if out == "" {
		out = filepath.Join(top(t), "out")
	}
	out, err := filepath.Abs(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Skipf("%v; `make iso guest` makes it, CAIRN_OUT says where", err)
		}
	}
	return out
}

// top is the directory of go.mod above that of the test.
func top(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above this test")
	return ""
}

// Tools skips a test that lacks one of these programs.
func Tools(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
}
