package api

import (
	"encoding/json"
	"reflect"
	"strconv"
)

// A FieldInfo is what a description says of one field, for tests and the
// reference.
type FieldInfo struct {
	Name, Also string
	Type       string // JSON's: string, integer, number, boolean, array, object; any
	Null       bool   // may be null

	Create, Update, Required    bool
	Once, Hidden, Brief         bool
	Admin, SetAdmin             bool // shown to and set by administrators only
	Filter, Like, Sort          bool
	Inline                      bool // stands for any other members
	Since, Until, Default, Form string
	Min, Max                    string
	OneOf                       []string
	Fields                      []FieldInfo // of an object, or of each entry of an array
}

// deepest is how far fields of fields are described.
const deepest = 4

// fields describes a shape; what is no member of the wire is left out.
func (s *shape) describe(depth int) []FieldInfo {
	var list []FieldInfo
	for i := range s.fields {
		f := &s.fields[i]
		if f.hasJSON || f.inline {
			list = append(list, f.describe(depth))
		}
	}
	return list
}

func (f *field) describe(depth int) FieldInfo {
	i := FieldInfo{
		Name: f.name, Also: f.also, Type: describedType(f.typ), Null: nullable(f.typ),
		Create: f.create, Update: f.update, Required: f.required, Once: f.once, Hidden: f.hidden, Brief: f.brief,
		Admin: f.admin, SetAdmin: f.setAdmin, Filter: f.filter, Like: f.like, Sort: f.sort, Inline: f.inline,
		Since: f.since.String(), Until: f.until.String(), Default: f.def, Form: f.form, OneOf: f.oneOf, Min: numeral(f.min), Max: numeral(f.max),
	}
	if t := nested(f.typ); t != nil && depth < deepest {
		if s, err := shapeOf(t); err == nil {
			i.Fields = s.describe(depth + 1)
		}
	}
	return i
}

// describedType is jsonType, with "any" where anything goes or a type has a form
// of its own.
func describedType(t reflect.Type) string {
	own := reflect.TypeFor[json.Marshaler]()
	if t.Kind() == reflect.Interface || t != timeType && (t.Implements(own) || reflect.PointerTo(t).Implements(own)) {
		return "any"
	}
	return jsonType(t)
}

func numeral(n *float64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatFloat(*n, 'f', -1, 64)
}

// nullable tells whether null is a value of a type (see Call.set).
func nullable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	default:
		return false
	}
}
