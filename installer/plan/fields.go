package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Field is one thing that rack.yaml may say, what it means and what it may
// be. The checks, the defaults, the JSON Schema and the reference for people
// are all made from the list of them, [Fields]. A rule that needs a second
// field to be told is in check*.go.
type Field struct {
	Path    string // like rules[].disk.choose, where [] stands for each element of a list
	Means   string // one sentence, with units
	Default string // as rack.yaml would say it, or (in words); empty: none

	Needed bool     // must be said
	OneOf  []string // the words that it may be; of a list: that each element may be
	Form   Form     // what a text must look like; of a list: each element
	Min    int      // of a number
	Max    int      // of a number; 0: no bound
	Zero   string   // what 0 means where Min does not allow it
	Unit   string   // what a number is, like "a VLAN id"; every number has one

	Some   bool     // a list has an element at least
	Unique bool     // no element of a list comes twice
	AnyOf  []string // each element of a list of mappings says one of these at least
}

// Fields lists all fields of rack.yaml in the order in which people read them.
func Fields() []Field {
	return slices.Concat(rackFields(), managementFields(), tenantFields(), externalFields(), paceFields(),
		ruleFields(), matchFields(), diskFields("rules[].disk", false), dataFields(), nicFields(), machineFields())
}

// A table finds fields by their path.
type table struct {
	fields map[string]Field
	forms  map[string]*regexp.Regexp // by pattern, made when they are first needed
}

func newTable() table {
	t := table{fields: map[string]Field{}, forms: map[string]*regexp.Regexp{}}
	for _, f := range Fields() {
		t.fields[f.Path] = f
	}
	return t
}

// at finds the field of a path as it is in a file, like rules[2].roles[0].
func (t table) at(path string) (Field, bool) {
	f, ok := t.fields[pattern(path)]
	return f, ok
}

// takesText tells whether a text is one that the field may be.
func (t table) takesText(f Field, s string) bool {
	if len(f.OneOf) > 0 {
		return slices.Contains(f.OneOf, s)
	}
	if f.Form.Pattern == "" {
		return true
	}
	form, ok := t.forms[f.Form.Pattern]
	if !ok {
		form = regexp.MustCompile(f.Form.Pattern)
		t.forms[f.Form.Pattern] = form
	}
	return form.MatchString(s)
}

// pattern is the path with its indices taken out. The elements of a list of
// single values have the field of the list.
func pattern(path string) string {
	if !strings.Contains(path, "[") {
		return path
	}
	var b strings.Builder
	inside := false
	for _, c := range path {
		switch {
		case c == '[':
			inside = true
			b.WriteString("[]")
		case c == ']':
			inside = false
		case !inside:
			b.WriteRune(c)
		}
	}
	return strings.TrimSuffix(b.String(), "[]")
}

// allowed says in words what the field may be.
func (f Field) allowed() string {
	switch {
	case len(f.OneOf) > 0:
		return strings.Join(f.OneOf, ", ")
	case f.Form.Like != "":
		return f.Form.Like
	case f.Unit == "":
		return "a value"
	}
	words := fmt.Sprintf("%s from %d to %d", f.Unit, f.Min, f.Max)
	if f.Max == 0 {
		words = fmt.Sprintf("%s, %d or more", f.Unit, f.Min)
	}
	if f.Zero != "" {
		words = "0 (" + f.Zero + "), or " + words
	}
	return words
}

// takesNumber tells whether a number is inside the field's bounds.
func (f Field) takesNumber(n int) bool {
	if n == 0 && f.Zero != "" {
		return true
	}
	return n >= f.Min && (f.Max == 0 || n <= f.Max)
}

// free tells whether the field takes any text. A number is one then: nobody
// puts a serial number of digits in quotes.
func (f Field) free() bool { return len(f.OneOf) == 0 && f.Form.Pattern == "" }

// literal is the default as a value of rack.yaml; false where it is in words
// or there is none.
func (f Field) literal() (string, bool) {
	return f.Default, f.Default != "" && !strings.HasPrefix(f.Default, "(")
}
