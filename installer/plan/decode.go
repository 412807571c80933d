package plan

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A decoder puts YAML nodes into Go values by their json tags, strictly:
// only what the table of fields has, each of its kind, and remembers the line
// of each field. A value of null is as good as none.
type decoder struct {
	table  table
	lines  lines
	faults []*RackError
}

// fault notes that a node is not what is allowed.
func (d *decoder) fault(n *yaml.Node, path, allowed string) {
	if path == "" {
		path = "the document"
	}
	d.faults = append(d.faults, &RackError{Line: n.Line, Field: path, Value: shown(n), Allowed: allowed})
}

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

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string) {
	d.lines[path] = n.Line
	if isNull(n) {
		return
	}
	if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.address(n, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Map:
		d.conditions(n, v, path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), path)
	default:
		d.scalar(n, v, path)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	index, names := d.members(v.Type(), path)
	if n.Kind != yaml.MappingNode {
		d.fault(n, path, "a mapping with any of "+strings.Join(names, ", "))
		return
	}
	var seen, said []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at, known := index[key.Value]
		switch {
		case !known:
			d.faults = append(d.faults, &RackError{Line: key.Line, Field: join(path, key.Value), Value: "unknown",
				Allowed: strings.Join(names, ", ")})
		case slices.Contains(seen, key.Value):
			d.fault(key, join(path, key.Value), "once")
		default:
			d.decode(value, v.Field(at), join(path, key.Value))
		}
		seen = append(seen, key.Value)
		if !isNull(value) {
			said = append(said, key.Value)
		}
	}
	d.needed(n, path, names, said)
}

// members are the fields of a mapping that the table has.
func (d *decoder) members(t reflect.Type, path string) (index map[string]int, names []string) {
	index = map[string]int{}
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("json")
		if _, known := d.table.at(join(path, name)); known {
			index[name] = i
			names = append(names, name)
		}
	}
	return index, names
}

// needed notes what a mapping does not say and has to.
func (d *decoder) needed(n *yaml.Node, path string, names, said []string) {
	for _, name := range names {
		f, _ := d.table.at(join(path, name))
		if f.Needed && !slices.Contains(said, name) {
			d.faults = append(d.faults, &RackError{Line: n.Line, Field: join(path, name), Value: "missing", Allowed: some(f)})
		}
	}
	if !strings.HasSuffix(path, "]") {
		return
	}
	around, _ := d.table.at(path[:strings.LastIndexByte(path, '[')])
	if len(around.AnyOf) > 0 && !slices.ContainsFunc(around.AnyOf, func(name string) bool { return slices.Contains(said, name) }) {
		d.faults = append(d.faults, &RackError{Line: n.Line, Field: path, Value: "without any of " + strings.Join(around.AnyOf, ", "),
			Allowed: "one of them at least, which says what machine it is"})
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	f, _ := d.table.at(path)
	switch {
	case n.Kind != yaml.SequenceNode:
		d.fault(n, path, "a list")
		return
	case f.Some && len(n.Content) == 0:
		d.faults = append(d.faults, &RackError{Line: n.Line, Field: path, Value: "empty", Allowed: some(f)})
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	var seen []string
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case isNull(item):
			d.faults = append(d.faults, &RackError{Line: item.Line, Field: at, Value: "empty", Allowed: "a value, or no line at all"})
		case f.Unique && slices.Contains(seen, item.Value):
			d.fault(item, at, "once")
		default:
			d.decode(item, v.Index(i), at)
		}
		seen = append(seen, item.Value)
	}
}

// some says what a list may have, or what a single field may be.
func some(f Field) string {
	if f.Some {
		return "one or more of " + f.allowed()
	}
	return f.allowed()
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
