package plan

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A RackError is one thing that is wrong with a rack.yaml. Line is 0 where
// the file says nothing of the field.
type RackError struct {
	Line    int
	Field   string
	Value   string
	Allowed string
}

func (e *RackError) Error() string {
	where := "rack.yaml"
	if e.Line > 0 {
		where = fmt.Sprintf("rack.yaml line %d", e.Line)
	}
	return fmt.Sprintf("%s: %s is %s; allowed: %s", where, e.Field, e.Value, e.Allowed)
}

// ParseRack reads rack.yaml, fills in what it leaves out and checks the whole.
// Every fault is reported, as joined [RackError] values in the order of the
// file. An empty file is a rack with the defaults.
func ParseRack(raw []byte) (*Rack, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("rack.yaml is not YAML: %w", err)
	}
	r := &Rack{}
	d := decoder{lines: map[string]int{}}
	if len(doc.Content) > 0 && doc.Content[0].Tag != "!!null" {
		d.decode(doc.Content[0], reflect.ValueOf(r).Elem(), "")
	}
	if len(d.faults) > 0 {
		return nil, errors.Join(d.faults...)
	}
	r.fill()
	c := checker{lines: d.lines}
	c.rack(r)
	if len(c.faults) > 0 {
		return nil, errors.Join(c.faults...)
	}
	return r, nil
}

// A decoder puts YAML nodes into Go values by their json tags, strictly, and
// remembers the line of each field.
type decoder struct {
	lines  map[string]int
	faults []error
}

func (d *decoder) fault(n *yaml.Node, path, allowed string) {
	d.faults = append(d.faults, &RackError{Line: n.Line, Field: named(path), Value: shown(n), Allowed: allowed})
}

func named(path string) string {
	if path == "" {
		return "the document"
	}
	return path
}

// shown is a node's value as a person wrote it.
func shown(n *yaml.Node) string {
	switch n.Kind {
	case yaml.ScalarNode:
		return strconv.Quote(n.Value)
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	default:
		return "an alias"
	}
}

func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string) {
	d.lines[path] = n.Line
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(n, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Map:
		d.words(n, v, path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), path)
	default:
		d.scalar(n, v, path)
	}
}

// text decodes addresses and networks.
func (d *decoder) text(n *yaml.Node, v reflect.Value, path string) {
	allowed := "an address like 10.20.0.11"
	if v.Type().Name() == "Prefix" {
		allowed = "a network like 10.20.0.0/24"
	}
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		d.fault(n, path, allowed)
		return
	}
	u, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	if !ok || u.UnmarshalText([]byte(n.Value)) != nil {
		d.fault(n, path, allowed)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	fields := map[string]int{}
	var names []string
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("json")
		fields[name] = i
		names = append(names, name)
	}
	if n.Kind != yaml.MappingNode {
		d.fault(n, path, "a mapping with any of "+strings.Join(names, ", "))
		return
	}
	var seen []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		index, known := fields[key.Value]
		switch {
		case !known:
			d.faults = append(d.faults, &RackError{Line: key.Line, Field: join(path, key.Value), Value: "unknown",
				Allowed: strings.Join(names, ", ")})
		case slices.Contains(seen, key.Value):
			d.fault(key, join(path, key.Value), "once")
		default:
			d.decode(value, v.Field(index), join(path, key.Value))
		}
		seen = append(seen, key.Value)
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.fault(n, path, "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.decode(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

// words decodes a mapping of names to single values.
func (d *decoder) words(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fault(n, path, "a mapping of names to values")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := join(path, key.Value)
		d.lines[at] = key.Line
		switch {
		case value.Kind != yaml.ScalarNode:
			d.fault(value, at, "a single value")
		case v.MapIndex(reflect.ValueOf(key.Value)).IsValid():
			d.fault(key, at, "once")
		default:
			v.SetMapIndex(reflect.ValueOf(key.Value), reflect.ValueOf(value.Value))
		}
	}
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.fault(n, path, "a single value")
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if err != nil {
			d.fault(n, path, "true or false")
			return
		}
		v.SetBool(b)
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if err != nil {
			d.fault(n, path, "a whole number")
			return
		}
		v.SetInt(int64(i))
	default:
		d.fault(n, path, "nothing: the field has a type that rack.yaml cannot hold")
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
