package api

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// Decode reads the call's object (an action's value, the body of something
// Below) into a struct with json and api tags, as strictly as the service's
// dialect has it. Words that name an operation are not needed.
func Decode[In any](c *Call) (*In, error) { return DecodeRaw[In](c, c.body) }

// DecodeRaw is Decode for an object that the handler has put together.
func DecodeRaw[In any](c *Call, raw json.RawMessage) (*In, error) {
	s, err := c.service.shapes.of(reflect.TypeFor[In]())
	if err != nil {
		return nil, err
	}
	in := new(In)
	if err := c.decode(s, reflect.ValueOf(in).Elem(), raw, OpAction, ""); err != nil {
		return nil, err
	}
	return in, nil
}

// decode lays the members of an object over v, which must be a struct of s.
func (c *Call) decode(s *shape, v reflect.Value, raw json.RawMessage, op Op, path string) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return cloud.BadRequest("Invalid input for field/attribute %s. Value: %s. It is not of type 'object'", orBody(path), short(raw))
	}
	if err := c.take(s, v, members, op, path); err != nil {
		return err
	}
	return c.complete(s, v, members, op, path)
}

// take sets the fields that members name.
func (c *Call) take(s *shape, v reflect.Value, members map[string]json.RawMessage, op Op, path string) error {
	var unknown []string
	for _, name := range sortedKeys(members) {
		f := s.byName[name]
		switch {
		case f == nil && s.inline != nil:
			if err := c.takeInline(s.inline, v, name, members[name], path); err != nil {
				return err
			}
		case f == nil || !f.settable(op, c.Version):
			unknown = append(unknown, name)
		case f.setAdmin && !c.Caller.IsAdmin:
			return cloud.Forbidden("Only administrators may set %s.", join(path, name))
		default:
			if err := c.set(f, v.FieldByIndex(f.index), members[name], op, join(path, name)); err != nil {
				return err
			}
		}
	}
	if len(unknown) > 0 && s.byName[unknown[0]] != nil && c.service.service.Dialect.ReadOnly != 0 {
		return cloud.Errorf(c.service.service.Dialect.ReadOnly, "Attribute '%s' is read-only.", unknown[0])
	}
	if len(unknown) == 0 || c.service.service.Dialect.IgnoreUnknown {
		return nil
	}
	return cloud.BadRequest("%s", c.unknownText(s, unknown, op, path))
}

// unknownText says what is wrong with members that no field takes.
func (c *Call) unknownText(s *shape, names []string, op Op, path string) string {
	quoted := "'" + strings.Join(names, "', '") + "'"
	if s.byName[names[0]] != nil {
		return fmt.Sprintf("Attribute %s not allowed in %s", quoted, c.r.Method)
	}
	if c.service.service.Dialect.Bulk {
		return "Unrecognized attribute(s) " + quoted
	}
	return fmt.Sprintf("Invalid input for field/attribute %s. Additional properties are not allowed (%s was unexpected)", orBody(path), quoted)
}

// takeInline puts a member that has no field into the inline map.
func (c *Call) takeInline(f *field, v reflect.Value, name string, raw json.RawMessage, path string) error {
	m := v.FieldByIndex(f.index)
	if m.IsNil() {
		m.Set(reflect.MakeMap(m.Type()))
	}
	value := reflect.New(m.Type().Elem())
	if err := unmarshal(raw, value.Interface(), join(path, name)); err != nil {
		return err
	}
	m.SetMapIndex(reflect.ValueOf(name), value.Elem())
	return nil
}

// set decodes one member into its field and checks it.
func (c *Call) set(f *field, v reflect.Value, raw json.RawMessage, op Op, path string) error {
	if string(raw) == "null" {
		switch v.Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
			v.SetZero()
			return nil
		default:
			return cloud.BadRequest("Invalid input for field/attribute %s. Value: None. None is not of type '%s'", path, jsonType(v.Type()))
		}
	}
	if t := nested(f.typ); t != nil {
		return c.setNested(t, v, raw, path)
	}
	v.SetZero() // a map or slice of the old value must not shine through
	if err := unmarshal(raw, v.Addr().Interface(), path); err != nil {
		return err
	}
	return f.check(v, path)
}

// setNested decodes a struct, a pointer to one, or a slice of either.
func (c *Call) setNested(t reflect.Type, v reflect.Value, raw json.RawMessage, path string) error {
	switch v.Kind() {
	case reflect.Slice:
		var items []json.RawMessage
		if err := unmarshal(raw, &items, path); err != nil {
			return err
		}
		list := reflect.MakeSlice(v.Type(), len(items), len(items))
		for i, item := range items {
			if err := c.setNested(t, list.Index(i), item, fmt.Sprintf("%s.%d", path, i)); err != nil {
				return err
			}
		}
		v.Set(list)
		return nil
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return c.setNested(t, v.Elem(), raw, path)
	default:
		s, err := c.service.shapes.of(t)
		if err != nil {
			return err
		}
		v.SetZero()
		return c.decode(s, v, raw, OpAction, path)
	}
}

// complete fills in defaults and misses what is required.
func (c *Call) complete(s *shape, v reflect.Value, members map[string]json.RawMessage, op Op, path string) error {
	if op == OpUpdate {
		return nil
	}
	for i := range s.fields {
		f := &s.fields[i]
		_, there := members[f.name]
		if f.also != "" && !there {
			_, there = members[f.also]
		}
		switch {
		case there || !f.in(c.Version):
		case f.required:
			return cloud.BadRequest("Invalid input for field/attribute %s. '%s' is a required property", orBody(path), f.name)
		case f.hasDefault:
			if err := f.defaultValue(v.FieldByIndex(f.index)); err != nil {
				return fmt.Errorf("default of %s: %w", join(path, f.name), err)
			}
		}
	}
	return nil
}

// unmarshal is json.Unmarshal with an error that names the field.
func unmarshal(raw []byte, to any, path string) error {
	err := json.Unmarshal(raw, to)
	if err == nil {
		return nil
	}
	want := jsonType(reflect.TypeOf(to).Elem())
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if te.Field != "" {
			path = join(path, te.Field)
		}
		want = jsonType(te.Type)
	}
	return cloud.BadRequest("Invalid input for field/attribute %s. Value: %s. It is not of type '%s'", path, short(raw), want).Because(err)
}

// jsonType is the JSON Schema name of what a Go type reads.
func jsonType(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16,
		reflect.Uint32, reflect.Uint64:
		return "integer"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Map:
		return "object"
	case reflect.Struct:
		if t == timeType || t.Implements(textUnmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler) {
			return "string"
		}
		return "object"
	default:
		return "string"
	}
}

// short is the value of a message: not too long.
func short(raw []byte) string {
	const most = 120
	if len(raw) > most {
		return strings.ToValidUTF8(string(raw[:most]), "") + "..."
	}
	return string(raw)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func orBody(path string) string {
	if path == "" {
		return "body"
	}
	return path
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
