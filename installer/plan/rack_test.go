package plan

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// A rackCase is one rack.yaml of testdata/rack and what is said of it.
type rackCase struct {
	name string
	raw  []byte
	want *[]byte // in the archive
}

// rackCases reads an archive of pairs "name" and "name want". With -update it
// is written anew when the test ends.
func rackCases(t *testing.T, file string) []rackCase {
	t.Helper()
	file = "testdata/rack/" + file + ".txtar"
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		t.Cleanup(func() {
			if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
				t.Error(err)
			}
		})
	}
	var list []rackCase
	for i := 0; i+1 < len(a.Files); i += 2 {
		if a.Files[i+1].Name != a.Files[i].Name+" want" {
			t.Fatalf("%s: %q is followed by %q", file, a.Files[i].Name, a.Files[i+1].Name)
		}
		list = append(list, rackCase{a.Files[i].Name, a.Files[i].Data, &a.Files[i+1].Data})
	}
	return list
}

func (c *rackCase) compare(t *testing.T, got string) {
	t.Helper()
	if *update {
		*c.want = []byte(got)
		return
	}
	if d := cmp.Diff(string(*c.want), got); d != "" {
		t.Errorf("%s: %s", c.name, d)
	}
}

// TestRacks reads every rack of testdata and compares what is said of it.
func TestRacks(t *testing.T) {
	for file, wrong := range map[string]bool{"good": false, "single": true, "several": true, "warnings": false} {
		t.Run(file, func(t *testing.T) {
			for _, c := range rackCases(t, file) {
				_, warnings, err := CheckRack(c.raw)
				if (err != nil) != wrong {
					t.Errorf("%s: error %v", c.name, err)
				}
				var got strings.Builder
				if err != nil {
					got.WriteString(err.Error() + "\n")
				}
				for _, w := range warnings {
					got.WriteString(w.String() + "\n")
				}
				c.compare(t, got.String())
			}
		})
	}
}

// TestSchemaAgrees holds the JSON Schema and ParseRack against each other.
func TestSchemaAgrees(t *testing.T) {
	s := compileSchema(t)
	for file, valid := range map[string]bool{"good": true, "single": false, "several": true, "warnings": true} {
		for _, c := range rackCases(t, file) {
			instance, err := asJSON(c.raw)
			if err != nil {
				continue // no YAML, or something that JSON lacks
			}
			if err := s.Validate(instance); (err == nil) != valid {
				t.Errorf("%s/%s: the schema says %v; want valid %t", file, c.name, err, valid)
			}
		}
	}
}

// FuzzSchemaAgrees wants the schema to take every rack that ParseRack takes.
func FuzzSchemaAgrees(f *testing.F) {
	for _, file := range []string{"good", "single", "several", "warnings"} {
		a, err := txtar.ParseFile("testdata/rack/" + file + ".txtar")
		if err != nil {
			f.Fatal(err)
		}
		for _, one := range a.Files {
			if !strings.HasSuffix(one.Name, " want") {
				f.Add(one.Data)
			}
		}
	}
	s := compileSchema(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseRack(raw)
		if err != nil {
			return
		}
		if _, err := r.YAML(); err != nil {
			t.Errorf("cannot be printed: %v", err)
		}
		instance, err := asJSON(raw)
		if err != nil {
			return // not in JSON
		}
		if err := s.Validate(instance); err != nil {
			t.Errorf("%q: ParseRack takes it, and the schema says %v", raw, err)
		}
	})
}

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	raw, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("rack.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("rack.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a YAML document as the JSON that an editor validates.
func asJSON(raw []byte) (any, error) {
	var v any
	if err := yaml.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	if v == nil {
		v = map[string]any{} // an empty file
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(b))
}
