package plan

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// kind is what a field of the inventory holds.
type kind int

const (
	kindText kind = iota
	kindNumber
	kindFlag
	kindList // of mappings; its value is how many there are
)

// An invField is a field of the inventory that rules can ask for.
type invField struct {
	name string // dotted JSON name, like nics.lldp.switch
	kind kind
	many bool // inside a list, or a list itself
}

// inventoryFields lists them in the order of the types.
func inventoryFields() []invField {
	return fieldsOf(nil, reflect.TypeFor[Inventory](), "", false)
}

func fieldsOf(list []invField, t reflect.Type, at string, many bool) []invField {
	for i := range t.NumField() {
		name := join(at, jsonName(t.Field(i)))
		ft, inMany := t.Field(i).Type, many
		if ft.Kind() == reflect.Slice {
			ft, inMany = ft.Elem(), true
			if ft.Kind() == reflect.Struct {
				list = append(list, invField{name, kindList, many})
			}
		}
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		switch ft.Kind() {
		case reflect.Struct:
			list = fieldsOf(list, ft, name, inMany)
		case reflect.String:
			list = append(list, invField{name, kindText, inMany})
		case reflect.Bool:
			list = append(list, invField{name, kindFlag, inMany})
		case reflect.Int, reflect.Int64:
			list = append(list, invField{name, kindNumber, inMany})
		}
	}
	return list
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func inventoryField(name string) (invField, bool) {
	all := inventoryFields()
	i := slices.IndexFunc(all, func(f invField) bool { return f.name == name })
	if i < 0 {
		return invField{}, false
	}
	return all[i], true
}

// nearFields names the fields that somebody may have meant.
func nearFields(name string) string {
	type near struct {
		name     string
		distance int
	}
	var all []near
	for _, f := range inventoryFields() {
		d := distance(name, f.name)
		last := f.name[strings.LastIndexByte(f.name, '.')+1:]
		if last == name[strings.LastIndexByte(name, '.')+1:] {
			d = min(d, 1) // the right word in another place
		}
		all = append(all, near{f.name, d})
	}
	slices.SortStableFunc(all, func(a, b near) int { return a.distance - b.distance })
	var words []string
	for _, n := range all[:3] {
		words = append(words, n.name)
	}
	return "a field of the inventory, like " + strings.Join(words, ", ")
}

// distance is how many letters have to be changed, put in or taken out
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, corner+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// A finding is what an inventory has under a dotted name.
type finding struct {
	kind   kind
	values []string // text, numbers and flags as they are printed
}

// find looks a dotted name up: one value, or one of each element where there
// is a list on the way, or none where a part that the machine lacks is on it.
func find(inv *Inventory, name string) finding {
	f := finding{}
	if way, ok := wayTo(reflect.TypeFor[Inventory](), name); ok {
		f.collect(reflect.ValueOf(inv).Elem(), way)
	}
	return f
}

// wayTo is the way to a dotted name through structs, by the index of each
// field.
func wayTo(t reflect.Type, name string) ([]int, bool) {
	var way []int
	for rest := name; rest != ""; {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return nil, false
		}
		var part string
		part, rest, _ = strings.Cut(rest, ".")
		i := 0
		for ; i < t.NumField() && jsonName(t.Field(i)) != part; i++ {
		}
		if i == t.NumField() {
			return nil, false
		}
		way, t = append(way, i), t.Field(i).Type
	}
	return way, true
}

func (f *finding) collect(v reflect.Value, way []int) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			f.collect(v.Elem(), way)
		}
	case reflect.Slice:
		if len(way) == 0 && v.Type().Elem().Kind() == reflect.Struct {
			f.kind, f.values = kindList, append(f.values, strconv.Itoa(v.Len()))
			return
		}
		for i := range v.Len() {
			f.collect(v.Index(i), way)
		}
	case reflect.Struct:
		if len(way) > 0 {
			f.collect(v.Field(way[0]), way[1:])
		}
	case reflect.String:
		f.values = append(f.values, v.String())
	case reflect.Bool:
		f.kind, f.values = kindFlag, append(f.values, strconv.FormatBool(v.Bool()))
	default:
		f.kind, f.values = kindNumber, append(f.values, strconv.FormatInt(v.Int(), 10))
	}
}
