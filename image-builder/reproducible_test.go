package imagebuilder

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/iso"
)

// TestSamePackagesSameBytes builds a release and an ISO twice, in two
// directories, from one cache of packages and with one key. The second build
// has no archive to ask: its mirror does not exist.
func TestSamePackagesSameBytes(t *testing.T) {
	if os.Getenv("CAIRN_LONG") == "" {
		t.Skip("builds two images, which takes minutes; CAIRN_LONG=1 runs it")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: the image's files belong to many users")
	}
	dir := t.TempDir()
	var builds []map[string]string
	for i, name := range []string{"first", "second/elsewhere"} {
		out := filepath.Join(dir, name)
		c := Command{Out: out, Source: "..", Release: "0.0.0"}
		if i > 0 {
			c.Mirror = "http://archive.invalid/debian"
			carry(t, filepath.Join(dir, "first"), out)
		}
		if err := c.Run(context.Background(), slog.Default()); err != nil {
			t.Fatal(err)
		}
		image := filepath.Join(out, "cairn.iso")
		if err := iso.Build(context.Background(), iso.Options{Release: filepath.Join(out, "release"), Out: image, Log: slog.Default()}); err != nil {
			t.Fatal(err)
		}
		builds = append(builds, sums(t, out, image))
	}
	if d := cmp.Diff(builds[0], builds[1]); d != "" {
		t.Error(d)
	}
}

// carry gives the second build the packages and the key of the first.
func carry(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"cache/packages", "keys"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join(from, name))); err != nil {
			t.Fatal(err)
		}
	}
}

// sums lists what was built, by digest.
func sums(t *testing.T, out, image string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(out, "release", manifest.Name))
	if err != nil {
		t.Fatal(err)
	}
	var m manifest.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"version": m.Version}
	for _, f := range m.Files {
		all[f.Name] = f.SHA256
	}
	f, err := describe("cairn.iso", image)
	if err != nil {
		t.Fatal(err)
	}
	all["cairn.iso"] = f.SHA256
	return all
}
