package plan

import (
	"fmt"
	"strings"
)

// Reference is the table of all fields of rack.yaml for people, in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString("| field | default | means | allowed |\n|---|---|---|---|\n")
	for _, f := range Fields() {
		if f.Path == "rules[].data[].disk" {
			f.Means += " Fields as in rules[].disk, but for:"
		}
		if strings.HasPrefix(f.Path, "rules[].data[].disk.") && f.Default != "1" && f.Default != ChooseFirst {
			continue // as those of the system disk
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Path, f.defaultWords(), f.Means, f.allowedWords())
	}
	return b.String()
}

func (f Field) defaultWords() string {
	text, literal := f.literal()
	switch {
	case literal:
		return "`" + text + "`"
	case f.Needed:
		return "needed"
	}
	return strings.Trim(text, "()")
}

func (f Field) allowedWords() string {
	if len(f.OneOf) > 0 {
		return "`" + strings.Join(f.OneOf, "`, `") + "`"
	}
	if f.Form.Like == "" && f.Unit == "" {
		return ""
	}
	return f.allowed()
}

// WhereReference is the table of the fields that match.where and names of
// hosts can use, in Markdown.
func WhereReference() string {
	var b strings.Builder
	b.WriteString("| fields | condition |\n|---|---|\n")
	for _, k := range []kind{kindText, kindNumber, kindFlag, kindList} {
		var names []string
		for _, f := range inventoryFields() {
			if f.kind == k {
				names = append(names, "`"+f.name+"`")
			}
		}
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(names, " "), invField{kind: k}.allowed())
	}
	return b.String()
}
