package store

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// A column is one field of a row's struct.
type column struct {
	name  string
	index []int
	key   bool
	json  bool
	auto  bool
}

// columnsOf reads the db tags of struct t; embedded structs are part of it.
func columnsOf(t reflect.Type) ([]column, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	var cols []column
	for _, f := range reflect.VisibleFields(t) {
		tag, ok := f.Tag.Lookup("db")
		if !ok || tag == "-" {
			continue
		}
		name, words, _ := strings.Cut(tag, ",")
		c := column{name: name, index: f.Index}
		for word := range strings.SplitSeq(words, ",") {
			switch word {
			case "":
			case "key":
				c.key = true
			case "json":
				c.json = true
			case "auto":
				c.auto = true
			default:
				return nil, fmt.Errorf("%s.%s: db tag has the unknown word %q; allowed: key, json, auto", t, f.Name, word)
			}
		}
		cols = append(cols, c)
	}
	return cols, nil
}

// ColumnsOf gives the columns of a row's struct: the Go field's index path by
// column name.
func ColumnsOf(t reflect.Type) (map[string][]int, error) {
	cols, err := columnsOf(t)
	if err != nil {
		return nil, err
	}
	m := make(map[string][]int, len(cols))
	for _, c := range cols {
		m[c.name] = c.index
	}
	return m, nil
}

// value is what is written for the column.
func (c *column) value(row reflect.Value) (any, error) {
	v := row.FieldByIndex(c.index)
	if c.json {
		if nullable(v) && v.IsNil() && v.Kind() == reflect.Pointer {
			return nil, nil
		}
		b, err := json.Marshal(v.Interface())
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.name, err)
		}
		return string(b), nil
	}
	return v.Interface(), nil
}

func nullable(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		return true
	default:
		return false
	}
}

// target is where the column is read to.
func (c *column) target(row reflect.Value) any {
	p := row.FieldByIndex(c.index).Addr().Interface()
	if c.json {
		return jsonTarget{p}
	}
	return p
}

// jsonTarget scans JSON text into what it points to. NULL leaves it alone.
type jsonTarget struct{ to any }

var _ sql.Scanner = jsonTarget{}

// Scan reads a column's value.
func (t jsonTarget) Scan(src any) error {
	switch s := src.(type) {
	case nil:
		return nil
	case []byte:
		return json.Unmarshal(s, t.to)
	case string:
		return json.Unmarshal([]byte(s), t.to)
	default:
		return fmt.Errorf("JSON column holds %T", src)
	}
}

var _ driver.Valuer = JSON{}

// JSON is a value that is kept as JSON text, for use in a [Set].
type JSON struct{ Of any }

// Value is the JSON text.
func (j JSON) Value() (driver.Value, error) {
	b, err := json.Marshal(j.Of)
	return string(b), err
}
