package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Words are the words that an api tag may have. An unknown word stops the
// program when it starts.
//
//	create        may be set when it is created
//	update        may be changed
//	required      must be there on creation
//	default=X     its value if absent on creation
//	since=2.2     exists from this microversion on
//	until=2.35    exists up to this microversion
//	oneof=a|b     allowed values
//	min=N, max=N  bounds of a number, or of the length of a text or list
//	name          text of 1 to 255 characters, not blank
//	uuid, ip, cidr, mac   the form of a text; empty or null only if a pointer
//	once          shown in the answer to its creation only
//	hidden        never shown (a password)
//	brief         part of the brief list (see Resource.Detail)
//	admin         shown to administrators only
//	setadmin      may be set by administrators only
//	filter        lists can be filtered by it
//	like          the filter asks for a part of the text
//	sort          lists can be sorted by it
//	also=NAME     has a second name on the wire
//	inline        a map whose entries are members beside the other fields;
//	              it takes what no other field does
var Words = []string{"create", "update", "required", "default", "since", "until", "oneof", "min", "max", "name", "uuid", "ip",
	"cidr", "mac", "once", "hidden", "brief", "admin", "setadmin", "filter", "like", "sort", "also", "inline"}

// A field is one field of a wire struct, its tags parsed.
type field struct {
	name      string // on the wire
	column    string // in the table
	index     []int
	typ       reflect.Type
	omitEmpty bool
	hasJSON   bool

	create, update, required, once, hidden, brief, admin, setAdmin bool
	filter, like, sort, inline                                     bool
	since, until                                                   Version
	def                                                            string
	hasDefault                                                     bool
	oneOf                                                          []string
	min, max                                                       *float64
	form                                                           string // name, uuid, ip, cidr, mac
	also                                                           string
}

// A shape is a wire struct.
type shape struct {
	typ    reflect.Type
	fields []field
	byName map[string]*field
	inline *field
}

// shapeOf parses the tags of a struct; embedded structs are part of it.
func shapeOf(t reflect.Type) (*shape, error) {
	s := &shape{typ: t, byName: map[string]*field{}}
	for _, sf := range reflect.VisibleFields(t) {
		f, err := fieldOf(sf)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, sf.Name, err)
		}
		if f != nil {
			s.fields = append(s.fields, *f)
		}
	}
	for i := range s.fields {
		f := &s.fields[i]
		if f.inline {
			s.inline = f
			continue
		}
		if !f.hasJSON {
			continue
		}
		s.byName[f.name] = f
		if f.also != "" {
			s.byName[f.also] = f
		}
	}
	return s, nil
}

// shapes remembers what was parsed.
type shapes struct{ known sync.Map } // reflect.Type to *shape

// of is shapeOf, once for each type.
func (k *shapes) of(t reflect.Type) (*shape, error) {
	if s, ok := k.known.Load(t); ok {
		return s.(*shape), nil
	}
	s, err := shapeOf(t)
	if err == nil {
		k.known.Store(t, s)
	}
	return s, err
}

// fieldOf parses one field; nil if it is not for the wire nor a column.
func fieldOf(sf reflect.StructField) (*field, error) {
	if sf.Anonymous || !sf.IsExported() {
		return nil, nil
	}
	name, opts, _ := strings.Cut(sf.Tag.Get("json"), ",")
	words, tagged := sf.Tag.Lookup("api")
	column, _, _ := strings.Cut(sf.Tag.Get("db"), ",")
	f := &field{name: name, column: column, index: sf.Index, typ: sf.Type}
	f.hasJSON = name != "" && name != "-"
	if !f.hasJSON && !tagged && column == "" {
		return nil, nil
	}
	if f.column == "" {
		f.column = name
	}
	f.omitEmpty = slices.Contains(strings.Split(opts, ","), "omitempty")
	if words == "" {
		return f, nil
	}
	for word := range strings.SplitSeq(words, ",") {
		if err := f.word(word); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// word takes one word of an api tag.
func (f *field) word(word string) error {
	key, value, _ := strings.Cut(word, "=")
	flags := map[string]*bool{
		"create": &f.create, "update": &f.update, "required": &f.required, "once": &f.once, "hidden": &f.hidden,
		"brief": &f.brief, "admin": &f.admin, "setadmin": &f.setAdmin, "filter": &f.filter, "like": &f.like,
		"sort": &f.sort, "inline": &f.inline,
	}
	if b := flags[key]; b != nil {
		*b = true
		return nil
	}
	var err error
	switch key {
	case "default":
		f.def, f.hasDefault = value, true
	case "since":
		f.since, err = ParseVersion(value)
	case "until":
		f.until, err = ParseVersion(value)
	case "oneof":
		f.oneOf = strings.Split(value, "|")
	case "min":
		f.min, err = number(value)
	case "max":
		f.max, err = number(value)
	case "name", "uuid", "ip", "cidr", "mac":
		f.form = key
	case "also":
		f.also = value
	default:
		err = fmt.Errorf("api tag has the unknown word %q; allowed: %s", word, strings.Join(Words, ", "))
	}
	return err
}

func number(s string) (*float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	return &n, err
}

// in tells whether the field exists in a version.
func (f *field) in(v Version) bool {
	return !v.Less(f.since) && (f.until == Version{} || !f.until.Less(v))
}

// settable tells whether a body may have the field.
func (f *field) settable(op Op, v Version) bool {
	switch {
	case !f.in(v):
		return false
	case op == OpUpdate:
		return f.update
	case op == OpCreate:
		return f.create
	default:
		return true
	}
}

// defaultValue sets v to the field's default.
func (f *field) defaultValue(v reflect.Value) error {
	text := []byte(f.def)
	target := v.Addr().Interface()
	t := f.typ
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.String {
		text, _ = json.Marshal(f.def)
	}
	return json.Unmarshal(text, target)
}

var timeType = reflect.TypeFor[time.Time]()

// nested is the struct type below t that has a shape of its own (through
// pointers and slices); nil if there is none.
func nested(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == timeType {
		return nil
	}
	if t.Implements(reflect.TypeFor[json.Marshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) ||
		reflect.PointerTo(t).Implements(textUnmarshaler) {
		return nil
	}
	return t
}
