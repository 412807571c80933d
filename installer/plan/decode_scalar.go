package plan

import (
	"encoding"
	"math"
	"reflect"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// address decodes addresses and networks.
func (d *decoder) address(n *yaml.Node, v reflect.Value, path string) {
	f, _ := d.table.at(path)
	u, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	if n.Kind != yaml.ScalarNode || n.Value == "" || !d.table.takesText(f, n.Value) || !ok || u.UnmarshalText([]byte(n.Value)) != nil {
		d.fault(n, path, f.allowed())
	}
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.fault(n, path, "a single value")
		return
	}
	f, _ := d.table.at(path)
	switch v.Kind() {
	case reflect.String:
		d.text(n, v, path, f)
	case reflect.Bool:
		if n.ShortTag() != "!!bool" || n.Decode(v.Addr().Interface()) != nil {
			d.fault(n, path, "true or false")
		}
	case reflect.Int:
		i, ok := wholeNumber(n)
		if !ok || !f.takesNumber(i) {
			d.fault(n, path, f.allowed())
			return
		}
		v.SetInt(int64(i))
	default:
		d.fault(n, path, "nothing: the field has a type that rack.yaml cannot hold")
	}
}

// text decodes words, names and numbers that are meant as text.
func (d *decoder) text(n *yaml.Node, v reflect.Value, path string, f Field) {
	switch tag := n.ShortTag(); {
	case !d.table.takesText(f, n.Value):
		d.fault(n, path, f.allowed())
	case tag == "!!bool" || !f.free() && (tag == "!!int" || tag == "!!float"):
		d.faults = append(d.faults, &RackError{Line: n.Line, Field: path, Value: n.Value, Allowed: "text, which this is in quotes only"})
	default:
		v.SetString(n.Value)
	}
}

// wholeNumber is the value of a number without a fraction.
func wholeNumber(n *yaml.Node) (int, bool) {
	switch n.ShortTag() {
	case "!!int":
		var i int
		err := n.Decode(&i)
		return i, err == nil
	case "!!float":
		x, err := strconv.ParseFloat(n.Value, 64)
		return int(x), err == nil && x == math.Trunc(x) && math.Abs(x) < 1<<53
	}
	return 0, false
}

// conditions decodes match.where: names of the inventory to conditions on
// them, checked one by one.
func (d *decoder) conditions(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fault(n, path, "a mapping of fields of the inventory to conditions, like cpus: '>= 16'")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := join(path, key.Value)
		d.lines[at] = key.Line
		field, known := inventoryField(key.Value)
		switch {
		case !known:
			d.faults = append(d.faults, &RackError{Line: key.Line, Field: at, Value: "unknown", Allowed: nearFields(key.Value)})
		case v.MapIndex(reflect.ValueOf(key.Value)).IsValid():
			d.fault(key, at, "once")
		case value.Kind != yaml.ScalarNode || isNull(value):
			d.fault(value, at, field.allowed())
		case !field.takes(asText(value, field.kind)):
			d.fault(value, at, field.allowed())
		default:
			v.SetMapIndex(reflect.ValueOf(key.Value), reflect.ValueOf(asText(value, field.kind)))
		}
	}
}

// asText is a condition as text. A number is in the digits that a comparison
// takes, whatever YAML wrote it in.
func asText(n *yaml.Node, k kind) string {
	if i, ok := wholeNumber(n); ok && (k == kindNumber || k == kindList) {
		return strconv.Itoa(i)
	}
	return n.Value
}
