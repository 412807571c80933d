package plan

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestExplain plays racks of faked machines, one after the other, so that
// counts and names run on.
func TestExplain(t *testing.T) {
	files, err := filepath.Glob("testdata/explain/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { explainCase(t, file) })
	}
}

func explainCase(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var o Options
	var rack *Rack
	var got strings.Builder
	for i := range a.Files {
		f := &a.Files[i]
		switch {
		case f.Name == "options":
			o = optionsOf(t, string(f.Data))
			o.Number = 1
		case f.Name == "rack.yaml":
			if rack, err = ParseRack(f.Data); err != nil {
				t.Fatal(err)
			}
		case strings.HasSuffix(f.Name, ".json"):
			var inv Inventory
			if err := json.Unmarshal(f.Data, &inv); err != nil {
				t.Fatal(err)
			}
			x := Explain(inv, rack, o)
			got.WriteString(x.String() + "\n")
			if x.Plan != nil {
				o.Taken[x.Plan.Rule]++
				o.Names[x.Plan.HostName] = true
			}
			o.Local, o.Rule, o.Name = false, "", ""
		}
	}
	want := &a.Files[len(a.Files)-1]
	if *update {
		want.Data = []byte(got.String())
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(want.Data), got.String()); d != "" {
		t.Error(d)
	}
}

// TestExplainAgrees holds Explain and Make against each other on all cases.
func TestExplainAgrees(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var inv Inventory
		part := map[string][]byte{}
		for _, f := range a.Files {
			part[f.Name] = f.Data
		}
		if err := json.Unmarshal(part["inventory.json"], &inv); err != nil {
			t.Fatal(err)
		}
		rack, err := ParseRack(part["rack.yaml"])
		if err != nil {
			t.Fatal(err)
		}
		o := optionsOf(t, string(part["options"]))
		p, err := Make(inv, rack, o)
		x := Explain(inv, rack, o)
		held := 0
		for _, r := range x.Rules {
			if r.Holds {
				held++
			}
		}
		switch {
		case err != nil && (x.Plan != nil || x.Refused+". "+x.Remedy+"." != err.Error()):
			t.Errorf("%s: Make says %v, Explain %q", file, err, x.Refused)
		case err == nil && (x.Plan == nil || x.Plan.String() != p.String() || held != 1):
			t.Errorf("%s: Make and Explain differ:\n%s\n%s", file, p, x)
		}
	}
}
