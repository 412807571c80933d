package plan

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"
)

// Schema is the JSON Schema (draft 2020-12) of rack.yaml, made from the Go
// types and [Fields]. What takes two fields to be told, ParseRack alone knows.
func Schema() ([]byte, error) {
	s := schemer{newTable()}.of(reflect.TypeFor[Rack](), "")
	s.Dialect, s.Title = "https://json-schema.org/draft/2020-12/schema", "rack.yaml"
	s.Description = "A rack of Cairn. What it leaves out has a default that works; an empty file is a rack."
	return plainJSON(s, "  ")
}

// A schemer makes schemas of types by the table of fields.
type schemer struct{ table table }

// of is the schema of what stands at a path. Every field that is not needed
// may be null, which is as good as leaving it out.
func (s schemer) of(t reflect.Type, path string) *schema {
	f, _ := s.table.at(path)
	out := s.bare(t, path, f)
	out.Description = f.Means
	switch text, literal := f.literal(); {
	case literal:
		out.Default = defaultValue(t, text)
	case f.Default != "":
		out.Description = strings.TrimSuffix(f.Means, ".") + ". Default: " + strings.Trim(f.Default, "()") + "."
	}
	if !f.Needed {
		out.allowNull()
	}
	return out
}

func (s schemer) bare(t reflect.Type, path string, f Field) *schema {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return s.text(f)
	}
	switch t.Kind() {
	case reflect.Struct:
		return s.mapping(t, path)
	case reflect.Slice:
		items := s.bare(t.Elem(), path+"[0]", f)
		if f.AnyOf != nil {
			items.AnyOf = said(f.AnyOf)
		}
		out := &schema{Type: "array", Items: items, Unique: f.Unique}
		if f.Some {
			out.MinItems = 1
		}
		return out
	case reflect.Map:
		return whereSchema()
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Int:
		return number(f)
	}
	return s.text(f)
}

func (s schemer) mapping(t reflect.Type, path string) *schema {
	none := false
	out := &schema{Type: "object", Additional: &none}
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("json")
		f, known := s.table.at(join(path, name))
		if !known {
			continue
		}
		out.Properties = append(out.Properties, property{name, s.of(t.Field(i).Type, join(path, name))})
		if f.Needed {
			out.Required = append(out.Required, name)
		}
	}
	return out
}

// text is the schema of words and names. A number is as good as a text where
// any text is.
func (s schemer) text(f Field) *schema {
	if f.free() {
		return &schema{Type: []string{"string", "number"}}
	}
	out := &schema{Type: "string", Pattern: f.Form.Pattern}
	for _, word := range f.OneOf {
		out.Enum = append(out.Enum, word)
	}
	return out
}

func number(f Field) *schema {
	out := &schema{Type: "integer", Minimum: &f.Min}
	if f.Max > 0 {
		out.Maximum = &f.Max
	}
	if f.Zero == "" {
		return out
	}
	return &schema{Type: "integer", AnyOf: []*schema{{Enum: []any{0}}, {Minimum: out.Minimum, Maximum: out.Maximum}}}
}

// said wants one of the fields at least.
func said(names []string) []*schema {
	var list []*schema
	for _, name := range names {
		list = append(list, &schema{Required: []string{name},
			Properties: properties{{name, &schema{Type: []string{"string", "number"}}}}})
	}
	return list
}

// whereSchema is that of conditions on fields of the inventory.
func whereSchema() *schema {
	none := false
	out := &schema{Type: "object", Additional: &none}
	for _, f := range inventoryFields() {
		one := &schema{Description: f.allowed()}
		switch f.kind {
		case kindText:
			one.Type, one.Pattern = []string{"string", "number", "boolean"}, textPattern
		case kindFlag:
			one.Type, one.Pattern = []string{"string", "boolean"}, flagPattern
		default:
			one.Type, one.Pattern = []string{"string", "integer"}, numberPattern
		}
		out.Properties = append(out.Properties, property{f.name, one})
	}
	return out
}

// allowNull lets the value be null too.
func (s *schema) allowNull() {
	switch t := s.Type.(type) {
	case string:
		s.Type = []string{t, "null"}
	case []string:
		s.Type = append(t, "null")
	}
	if s.Enum != nil {
		s.Enum = append(s.Enum, nil)
	}
	if s.AnyOf != nil { // a number that may be 0
		s.AnyOf = append(s.AnyOf, &schema{Type: "null"})
	}
}

func defaultValue(t reflect.Type, text string) any {
	switch t.Kind() {
	case reflect.Int:
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
	case reflect.Bool:
		return text == "true"
	}
	return text
}
