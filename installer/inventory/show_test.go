package inventory

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// TestShow prints machines as people see them.
func TestShow(t *testing.T) {
	files, err := filepath.Glob("testdata/show/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing to show: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var inv plan.Inventory
			if err := json.Unmarshal(a.Files[0].Data, &inv); err != nil {
				t.Fatal(err)
			}
			got := Show(inv)
			if *update {
				a.Files[1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(a.Files[1].Data), got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestReadSaved(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.json")
	for text, want := range map[string]string{
		`{"machine": "m1", "disks": null, "nics": null}`: "",
		`{}`: "inventory " + file + ": machine is empty; allowed: what cairn inventory --json prints",
		`[]`: "inventory " + file + ": json: cannot unmarshal array into Go value of type plan.Inventory",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := read(file)
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
