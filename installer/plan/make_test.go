package plan

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what Make says into testdata")

// TestMake plays every machine of testdata: inventory and rack.yaml in, the
// printed plan or the exact refusal out.
func TestMake(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { playCase(t, file) })
	}
}

func playCase(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	part := map[string][]byte{}
	for _, f := range a.Files {
		part[f.Name] = f.Data
	}
	var inv Inventory
	if err := json.Unmarshal(part["inventory.json"], &inv); err != nil {
		t.Fatal(err)
	}
	rack, err := ParseRack(part["rack.yaml"])
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Version: "2026.11.1", Local: strings.Contains(string(part["options"]), "local"), Number: 2}
	p, err := Make(inv, rack, o)
	got := p.String()
	if err != nil {
		if r := (*Refusal)(nil); !errors.As(err, &r) || r.Remedy == "" {
			t.Errorf("%v is not a refusal with a remedy", err)
		}
		got = err.Error() + "\n"
	}
	if *update {
		a.Files[len(a.Files)-1].Data = []byte(got)
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(part["want"]), got); d != "" {
		t.Error(d)
	}
}

func TestLayoutFitsTheSmallestDisk(t *testing.T) {
	const size = MinDiskGiB << 30
	end := int64(mib)
	for _, p := range Layout(size) {
		if p.Start != end || p.Size <= 0 || p.Size%mib != 0 {
			t.Errorf("%s at %d with %d bytes; want it at %d, on whole MiB", p.Label, p.Start, p.Size, end)
		}
		end = p.Start + p.Size
	}
	if end != size-mib {
		t.Errorf("the table ends at %d, want %d", end, size-mib)
	}
}
