package rackfile

import (
	"net/url"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Values are what a rack.yaml, and the URL that it comes from, may ask for of
// the machine that reads it.
type Values struct {
	MAC    string // of the NIC that the machine booted from, or of the first with link: lower case, colons
	UUID   string // SMBIOS system UUID, lower case
	SERIAL string // SMBIOS serial number
}

// Of are the values of a machine.
func Of(inv plan.Inventory) Values {
	v := Values{MAC: inv.BootMAC, UUID: inv.Machine, SERIAL: inv.Serial}
	for i := 0; v.MAC == "" && i < len(inv.NICs); i++ {
		if inv.NICs[i].Link {
			v.MAC = inv.NICs[i].MAC
		}
	}
	return v
}

// Example are values of a machine that does not exist, for checking a
// rack.yaml before any machine reads it.
func Example() Values {
	return Values{MAC: "52:54:00:00:00:01", UUID: "564d0001-0000-4000-8000-000000000001", SERIAL: "EXAMPLE1"}
}

// names are the words that may stand in ${}.
const names = "${MAC}, ${UUID}, ${SERIAL}; $${ for a plain ${"

// named is the value of a word, and whether there is such a word.
func (v Values) named(word string) (string, bool) {
	switch word {
	case "MAC":
		return v.MAC, true
	case "UUID":
		return v.UUID, true
	case "SERIAL":
		return v.SERIAL, true
	}
	return "", false
}

// Text replaces ${MAC}, ${UUID} and ${SERIAL} in a rack.yaml, comments
// included; "$${" stands for "${". A name that is unknown, a value that the
// machine does not have, and one that YAML could take for more than a value
// are refused with a [plan.RackError].
func (v Values) Text(text []byte) ([]byte, error) {
	out, err := v.replace(string(text), plainValue)
	return []byte(out), err
}

// URL replaces the same in the URL of a rack.yaml, escaped as a URL asks for.
func (v Values) URL(text string) (string, error) {
	return v.replace(text, func(value string) (string, string) {
		escaped := strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
		return strings.ReplaceAll(escaped, "%3A", ":"), ""
	})
}

// replace puts each value as put makes it; put says what is allowed where it
// refuses one.
func (v Values) replace(text string, put func(string) (out, allowed string)) (string, error) {
	var b strings.Builder
	line := 1
	for {
		at := strings.Index(text, "${")
		if at < 0 {
			b.WriteString(text)
			return b.String(), nil
		}
		line += strings.Count(text[:at], "\n")
		if at > 0 && text[at-1] == '$' {
			b.WriteString(text[:at-1] + "${")
			text = text[at+2:]
			continue
		}
		b.WriteString(text[:at])
		end := strings.IndexAny(text[at:], "}\n")
		if end < 0 || text[at+end] == '\n' {
			return "", &plan.RackError{Line: line, Field: "${", Value: "not closed", Allowed: names}
		}
		ref := text[at : at+end+1]
		value, err := v.value(ref, line, put)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
		text = text[at+end+1:]
	}
}

// value is what stands for a reference like ${MAC}.
func (v Values) value(ref string, line int, put func(string) (out, allowed string)) (string, error) {
	value, known := v.named(ref[2 : len(ref)-1])
	switch {
	case !known:
		return "", &plan.RackError{Line: line, Field: ref, Value: "unknown", Allowed: names}
	case value == "":
		return "", &plan.RackError{Line: line, Field: ref, Value: "empty on this machine", Allowed: "a machine whose firmware has it"}
	}
	out, allowed := put(value)
	if allowed != "" {
		return "", &plan.RackError{Line: line, Field: ref, Value: `"` + value + `" on this machine`, Allowed: allowed}
	}
	return out, nil
}

// plainValue refuses what YAML could take for the end of a value, or for more
// than one.
func plainValue(value string) (out, allowed string) {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || slices.Contains([]rune("._:/+- "), r)
	}
	odd := strings.ContainsFunc(value, func(r rune) bool { return !plain(r) })
	if odd || strings.TrimSpace(value) != value || strings.Contains(value, ": ") || strings.HasSuffix(value, ":") {
		return "", "letters, digits, blanks inside and ._:/+-, and no colon before a blank or at the end"
	}
	return value, ""
}
