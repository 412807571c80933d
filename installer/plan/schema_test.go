package plan

import (
	"encoding"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSchemaFile holds rack.schema.json, which editors use, against the types.
func TestSchemaFile(t *testing.T) {
	got, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "rack.schema.json", string(got))
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s, which `go test ./installer/plan -update` writes anew: %s", file, d)
	}
}

// TestReadme holds the tables of README.md against the types.
func TestReadme(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for name, table := range map[string]string{"fields": Reference(), "conditions": WhereReference()} {
		before, rest, ok := strings.Cut(text, "<!-- "+name+" -->\n")
		_, after, ok2 := strings.Cut(rest, "<!-- end of "+name+" -->")
		if !ok || !ok2 {
			t.Fatalf("README.md has no place for the table of %s", name)
		}
		text = before + "<!-- " + name + " -->\n" + table + "<!-- end of " + name + " -->" + after
	}
	golden(t, "README.md", text)
}

// TestFieldsAreTheTypes wants a field in the table for each of the types, and
// the other way round, each with a meaning, and each number with a unit.
func TestFieldsAreTheTypes(t *testing.T) {
	left := newTable().fields
	var walk func(reflect.Type, string)
	walk = func(ty reflect.Type, path string) {
		if ty.Kind() == reflect.Pointer {
			ty = ty.Elem()
		}
		if f, ok := left[path]; ok || path == "" {
			delete(left, path)
			switch {
			case path != "" && f.Means == "":
				t.Errorf("%s has no meaning", path)
			case ty.Kind() == reflect.Int && f.Unit == "":
				t.Errorf("%s has no unit", path)
			}
		} else if path != "rules[].data[].disk.mirror" { // data disks stand alone
			t.Errorf("%s is not in the table of fields", path)
		}
		if reflect.PointerTo(ty).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return
		}
		if ty.Kind() == reflect.Slice && ty.Elem().Kind() == reflect.Struct {
			ty, path = ty.Elem(), path+"[]"
		}
		if ty.Kind() == reflect.Struct {
			for i := range ty.NumField() {
				walk(ty.Field(i).Type, join(path, ty.Field(i).Tag.Get("json")))
			}
		}
	}
	walk(reflect.TypeFor[Rack](), "")
	for path := range left {
		t.Errorf("the table of fields has %s, and the types do not", path)
	}
}

// TestDefaults reads the defaults back from what they make.
func TestDefaults(t *testing.T) {
	r, err := ParseRack([]byte("rules: [{roles: [compute], data: [{use: images}]}]\nmachines: [{serial: A}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Fields() {
		text, literal := f.literal()
		if !literal || strings.Contains(f.Path, "relayed") {
			continue
		}
		n, err := encode(fieldAt(t, reflect.ValueOf(r).Elem(), f.Path))
		if err != nil {
			t.Fatal(err)
		}
		got := "0"
		if n != nil {
			got = n.Value
		}
		if got == "0" && text == "false" {
			got = "false"
		}
		if got != text {
			t.Errorf("%s is %s by default; the table says %s", f.Path, got, text)
		}
	}
}

// fieldAt finds the value of a path, in the first element of each list.
func fieldAt(t *testing.T, v reflect.Value, path string) reflect.Value {
	t.Helper()
	for _, name := range strings.Split(path, ".") {
		name, list := strings.CutSuffix(name, "[]")
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") == name {
				v = v.Field(i)
				break
			}
		}
		if list {
			v = v.Index(0)
		}
	}
	return v
}

// TestRackAsYAML prints racks and reads them again.
func TestRackAsYAML(t *testing.T) {
	for _, file := range []string{"good", "warnings"} {
		for _, c := range rackCases(t, file) {
			first, err := ParseRack(c.raw)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			text, err := first.YAML()
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			second, err := ParseRack(text)
			if err != nil {
				t.Fatalf("%s: %v\n%s", c.name, err, text)
			}
			again, err := second.YAML()
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if d := cmp.Diff(string(text), string(again)); d != "" {
				t.Errorf("%s: %s", c.name, d)
			}
		}
	}
}
