package plan

import (
	"bytes"
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v4"
)

// YAML is the rack as a rack.yaml with every default written out. What has
// neither value nor default is left out.
func (r *Rack) YAML() ([]byte, error) {
	n, err := encode(reflect.ValueOf(r).Elem())
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		return nil, fmt.Errorf("rack: %w", err)
	}
	return b.Bytes(), nil
}

// encode makes a YAML node of a value; nil where it says nothing.
func encode(v reflect.Value) (*yaml.Node, error) {
	if t, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := t.MarshalText()
		if err != nil || len(text) == 0 {
			return nil, err
		}
		return scalar("!!str", string(text)), nil
	}
	if v.IsZero() {
		return nil, nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		return scalar("!!bool", fmt.Sprint(v.Elem().Interface())), nil
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for i := range v.NumField() {
			if err := put(n, v.Type().Field(i).Tag.Get("json"), v.Field(i)); err != nil {
				return nil, err
			}
		}
		return n, nil
	case reflect.Slice:
		return encodeList(v)
	case reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		words, _ := v.Interface().(map[string]string)
		for _, name := range slices.Sorted(maps.Keys(words)) {
			n.Content = append(n.Content, scalar("!!str", name), scalar("!!str", words[name]))
		}
		return n, nil
	case reflect.Bool:
		return scalar("!!bool", fmt.Sprint(v.Bool())), nil
	case reflect.Int:
		return scalar("!!int", fmt.Sprint(v.Int())), nil
	}
	return scalar("!!str", v.String()), nil
}

func put(n *yaml.Node, name string, v reflect.Value) error {
	value, err := encode(v)
	if err != nil || value == nil || value.Kind != yaml.ScalarNode && len(value.Content) == 0 {
		return err
	}
	n.Content = append(n.Content, scalar("!!str", name), value)
	return nil
}

func encodeList(v reflect.Value) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	if k := v.Type().Elem().Kind(); k == reflect.String {
		n.Style = yaml.FlowStyle
	}
	for i := range v.Len() {
		item, err := encode(v.Index(i))
		if err != nil {
			return nil, err
		}
		if item == nil {
			item = scalar("!!str", "")
		}
		n.Content = append(n.Content, item)
	}
	return n, nil
}

// scalar is a value; text that looks like something else gets quotes.
func scalar(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}
