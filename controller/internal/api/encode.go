package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// A member is one member of an object that is about to be written.
type member struct {
	name  string
	value any
}

// An object is a JSON object whose members keep their order.
type object []member

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) { return o.append(nil) }

// append adds the object's JSON to b; objects inside are not marshalled by
// themselves, so that a long list is written once.
func (o object) append(b []byte) ([]byte, error) {
	b = append(b, '{')
	var err error
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendText(b, m.name); err != nil {
			return nil, err
		}
		if b, err = appendJSON(append(b, ':'), m.value); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendJSON adds a value's JSON to b.
func appendJSON(b []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case object:
		return v.append(b)
	case []object:
		return appendList(b, v)
	case []any:
		return appendList(b, v)
	case string:
		return appendText(b, v)
	case map[string]string:
		if len(v) == 1 { // the links of entries
			for name, text := range v {
				return object{{name, text}}.append(b)
			}
		}
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	}
	text, err := json.Marshal(value)
	return append(b, text...), err
}

// appendText adds a text's JSON to b. What needs no mark before any character
// is copied: nearly all, in long lists.
func appendText(b []byte, text string) ([]byte, error) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			marked, err := json.Marshal(text)
			return append(b, marked...), err
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"'), nil
}

// mostAhead is how much room is made for a list before it is written.
const mostAhead = 1 << 20

func appendList[T any](b []byte, list []T) ([]byte, error) {
	b = append(b, '[')
	begin := len(b)
	var err error
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSON(b, list[i]); err != nil {
			return nil, err
		}
		if i == 0 { // the others will be about as long as the first
			each := len(b) - begin
			b = slices.Grow(b, min((each+each/16+1)*(len(list)-1)+1, mostAhead))
		}
	}
	return append(b, ']'), nil
}

// encode makes the object of a struct as the call may see it.
func (c *Call) encode(s *shape, v reflect.Value, op Op, brief bool) object {
	o := make(object, 0, len(s.fields))
	for i := range s.fields {
		f := &s.fields[i]
		if f.hasJSON && c.shows(f, op, brief) {
			o = c.addField(o, f, v.FieldByIndex(f.index), op)
		}
	}
	if s.inline != nil && !brief {
		m := v.FieldByIndex(s.inline.index)
		for _, key := range sortedKeysOf(m) {
			if s.byName[key] == nil {
				o = append(o, member{key, m.MapIndex(reflect.ValueOf(key)).Interface()})
			}
		}
	}
	return o
}

// shows tells whether the caller sees the field.
func (c *Call) shows(f *field, op Op, brief bool) bool {
	switch {
	case f.hidden || f.inline || !f.in(c.Version):
		return false
	case f.once && op != OpCreate:
		return false
	case f.admin && (c.Caller == nil || !c.Caller.IsAdmin):
		return false
	default:
		return !brief || f.brief
	}
}

func (c *Call) addField(o object, f *field, v reflect.Value, op Op) object {
	if f.omitEmpty && empty(v) {
		return o
	}
	value := c.value(v, op)
	o = append(o, member{f.name, value})
	if f.also != "" {
		o = append(o, member{f.also, value})
	}
	return o
}

// value is what is written for v: times in the dialect's layout, structs by
// their tags, absent lists and maps as empty ones.
func (c *Call) value(v reflect.Value, op Op) any {
	switch {
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return c.value(v.Elem(), op)
	case v.Type() == timeType:
		return v.Interface().(time.Time).UTC().Format(c.service.service.Dialect.TimeLayout)
	case v.Kind() == reflect.Slice && v.IsNil():
		return []any{}
	case v.Kind() == reflect.Map && v.Len() == 0:
		return object{}
	}
	t := nested(v.Type())
	if t == nil {
		return v.Interface()
	}
	if v.Kind() == reflect.Slice {
		list := make([]any, v.Len())
		for i := range list {
			list[i] = c.value(v.Index(i), op)
		}
		return list
	}
	s, err := c.service.shapes.of(t)
	if err != nil {
		return v.Interface()
	}
	return c.encode(s, v, op, false)
}

// empty is what omitempty leaves out.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return v.IsZero()
	default:
		return v.IsZero()
	}
}

func sortedKeysOf(m reflect.Value) []string {
	keys := map[string]bool{}
	for _, k := range m.MapKeys() {
		keys[k.String()] = true
	}
	return sortedKeys(keys)
}

// only keeps the members that are asked for, all if none is.
func (o object) only(names []string) object {
	if len(names) == 0 {
		return o
	}
	var kept object
	for _, m := range o {
		for _, n := range names {
			if n == m.name {
				kept = append(kept, m)
				break
			}
		}
	}
	return kept
}

// Present is a struct with json and api tags as the call's caller and version
// may see it, in the form that kit-made answers have: for handlers that answer
// with a resource by themselves. A non-nil err is returned instead.
func (c *Call) Present(row any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	v := reflect.Indirect(reflect.ValueOf(row))
	s, err := c.service.shapes.of(v.Type())
	if err != nil {
		return nil, err
	}
	return c.encode(s, v, c.Op, false), nil
}

// Entry is Present with the link of a path of the service, for lists and
// answers that handlers make by themselves.
func (c *Call) Entry(row any, path string) (any, error) {
	o, err := c.Present(row, nil)
	if err != nil {
		return nil, err
	}
	return append(o.(object), member{"links", map[string]string{"self": c.URL(path)}}), nil
}
