package inventory

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what Collect says into testdata")

// TestCollect plays the machines of testdata: files of /sys, /proc and /dev
// ("a -> b" is a link, "hex" begins bytes, "blank" a disk of zeroes) in, the
// inventory out.
func TestCollect(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no machines: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			var want string
			for _, f := range a.Files {
				if f.Name == "want.json" {
					want = string(f.Data)
					continue
				}
				plant(t, dir, f)
			}
			h := Host{Sys: filepath.Join(dir, "sys"), Proc: filepath.Join(dir, "proc"), Dev: filepath.Join(dir, "dev")}
			inv := h.Collect("/dev/sda", "52:54:00:00:00:02")
			b, err := json.MarshalIndent(inv, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(string(b), dir, "") + "\n"
			if *update {
				a.Files[len(a.Files)-1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// plant puts one file of a machine into its tree.
func plant(t *testing.T, dir string, f txtar.File) {
	t.Helper()
	name, link, isLink := strings.Cut(f.Name, " -> ")
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if isLink {
		if err := os.MkdirAll(filepath.Join(dir, link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(dir, link), path); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(path, f.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	if digits, ok := strings.CutPrefix(string(f.Data), "hex"); ok {
		raw, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if size, ok := strings.CutPrefix(strings.TrimSpace(string(f.Data)), "blank "); ok {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, int64(atoi(size))); err != nil {
			t.Fatal(err)
		}
	}
}

// TestThisMachine collects where the test runs: it must not fail anywhere.
func TestThisMachine(t *testing.T) {
	inv := This().Collect("", "")
	if inv.CPUs == 0 || inv.MemoryMiB == 0 {
		t.Errorf("a machine without CPU or memory: %+v", inv)
	}
}
