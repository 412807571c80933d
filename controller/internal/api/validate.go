package api

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// check holds a decoded value against the field's words.
func (f *field) check(v reflect.Value, path string) error {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	why := ""
	switch v.Kind() {
	case reflect.String:
		why = f.checkText(v.String())
	case reflect.Slice, reflect.Map:
		why = f.bounds(float64(v.Len()), "entries")
		if v.Kind() == reflect.Slice && why == "" && v.Type().Elem().Kind() == reflect.String {
			why = f.checkTexts(v)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		why = f.bounds(float64(v.Int()), "")
	case reflect.Float32, reflect.Float64:
		why = f.bounds(v.Float(), "")
	}
	if why == "" {
		return nil
	}
	return cloud.BadRequest("Invalid input for field/attribute %s. Value: %s. %s", path, short([]byte(fmt.Sprint(v.Interface()))), why)
}

// checkTexts checks the form and the choice of each text of a list.
func (f *field) checkTexts(v reflect.Value) string {
	for i := range v.Len() {
		s := v.Index(i).String()
		if why := f.checkForm(s); why != "" {
			return why
		}
		if len(f.oneOf) > 0 && !slices.Contains(f.oneOf, s) {
			return fmt.Sprintf("'%s' is not one of %v", s, f.oneOf)
		}
	}
	return ""
}

func (f *field) checkText(s string) string {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return "It has characters that are not allowed"
	}
	if len(f.oneOf) > 0 && !slices.Contains(f.oneOf, s) {
		return fmt.Sprintf("'%s' is not one of %v", s, f.oneOf)
	}
	if why := f.bounds(float64(utf8.RuneCountInString(s)), "characters"); why != "" {
		return why
	}
	return f.checkForm(s)
}

// bounds holds n against min and max; of says what is counted.
func (f *field) bounds(n float64, of string) string {
	switch {
	case f.min != nil && n < *f.min:
		return strings.TrimSpace(fmt.Sprintf("%v is less than the minimum of %v %s", n, *f.min, of))
	case f.max != nil && n > *f.max:
		return strings.TrimSpace(fmt.Sprintf("%v is more than the maximum of %v %s", n, *f.max, of))
	default:
		return ""
	}
}

func (f *field) checkForm(s string) string {
	switch f.form {
	case "name":
		if s == "" || strings.TrimSpace(s) == "" || utf8.RuneCountInString(s) > 255 {
			return "It must have 1 to 255 characters and not be blank"
		}
	case "uuid":
		if !cloud.IsID(s) {
			return fmt.Sprintf("'%s' is not a valid UUID", s)
		}
	case "ip":
		if a, err := netip.ParseAddr(s); err != nil || a.Zone() != "" {
			return fmt.Sprintf("'%s' is not a valid IP address", s)
		}
	case "cidr":
		if _, err := netip.ParsePrefix(s); err != nil {
			return fmt.Sprintf("'%s' is not a valid IP subnet", s)
		}
	case "mac":
		if m, err := net.ParseMAC(s); err != nil || len(m) != 6 {
			return fmt.Sprintf("'%s' is not a valid MAC address", s)
		}
	}
	return ""
}
