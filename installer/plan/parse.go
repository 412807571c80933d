package plan

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v4"
)

// A RackError is one thing that is wrong with a rack.yaml. Line is 0 where
// the file says nothing of the field.
type RackError struct {
	Line    int    `json:"line,omitempty"`
	Field   string `json:"field"`
	Value   string `json:"value"`
	Allowed string `json:"allowed"`
}

func (e *RackError) Error() string {
	return fmt.Sprintf("%s: %s is %s; allowed: %s", where(e.Line), e.Field, e.Value, e.Allowed)
}

func where(line int) string {
	if line > 0 {
		return fmt.Sprintf("rack.yaml line %d", line)
	}
	return "rack.yaml"
}

// ParseRack reads rack.yaml, fills in what it leaves out and checks the whole.
// Every fault is reported, as joined [RackError] values in the order of the
// file. An empty file is a rack with the defaults.
func ParseRack(raw []byte) (*Rack, error) {
	r, _, err := parse(raw)
	return r, err
}

// CheckRack is ParseRack and what a person should know of a rack that works.
func CheckRack(raw []byte) (*Rack, []Warning, error) {
	r, lines, err := parse(raw)
	if err != nil {
		return nil, nil, err
	}
	return r, warnings(r, lines), nil
}

func parse(raw []byte) (*Rack, lines, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, nil, fmt.Errorf("rack.yaml is not YAML: %w", err)
	}
	r := &Rack{}
	d := decoder{lines: lines{}, table: newTable()}
	if len(doc.Content) > 0 && doc.Content[0].Tag != "!!null" {
		d.decode(doc.Content[0], reflect.ValueOf(r).Elem(), "")
	}
	r.fill(d.table)
	c := checker{lines: d.lines, faults: d.faults}
	c.rack(r)
	if len(c.faults) > 0 {
		return nil, nil, inOrder(c.faults)
	}
	return r, d.lines, nil
}

// inOrder joins faults in the order of the file; those that it says nothing
// of come first.
func inOrder(faults []*RackError) error {
	slices.SortStableFunc(faults, func(a, b *RackError) int { return cmp.Compare(a.Line, b.Line) })
	all := make([]error, len(faults))
	for i, f := range faults {
		all[i] = f
	}
	return errors.Join(all...)
}

// Faults are the single faults of an error of ParseRack.
func Faults(err error) []*RackError {
	if err == nil {
		return nil
	}
	if one := (*RackError)(nil); errors.As(err, &one) {
		if all, ok := err.(interface{ Unwrap() []error }); ok {
			var list []*RackError
			for _, e := range all.Unwrap() {
				list = append(list, Faults(e)...)
			}
			return list
		}
		return []*RackError{one}
	}
	return []*RackError{{Field: "the document", Value: "unreadable (" + err.Error() + ")", Allowed: "YAML"}}
}

// lines are the lines of the fields that a file has.
type lines map[string]int

// of is the line of a field, or of the nearest thing around it that the file
// has; 0: none.
func (l lines) of(field string) int {
	for {
		if n, ok := l[field]; ok && field != "" {
			return n
		}
		i := lastBreak(field)
		if i < 0 {
			return 0
		}
		field = field[:i]
	}
}

// lastBreak is where the last part of a path begins, or -1.
func lastBreak(field string) int {
	for i := len(field) - 1; i >= 0; i-- {
		if field[i] == '.' || field[i] == '[' {
			return i
		}
	}
	return -1
}
