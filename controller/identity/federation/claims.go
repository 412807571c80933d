package federation

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Claims are what an issuer says, by name; a claim has one value or more. A
// claim inside of another one has both names with a dot between them.
type Claims map[string][]string

// deepest is how far claims are looked into.
const deepest = 4

// ClaimsOf reads a JSON object.
func ClaimsOf(object []byte) (Claims, error) {
	d := json.NewDecoder(strings.NewReader(string(object)))
	d.UseNumber()
	var values map[string]any
	if err := d.Decode(&values); err != nil {
		return nil, err
	}
	c := Claims{}
	c.add("", values, 0)
	return c, nil
}

func (c Claims) add(prefix string, values map[string]any, depth int) {
	for name, value := range values {
		if inside, ok := value.(map[string]any); ok {
			if depth < deepest {
				c.add(prefix+name+".", inside, depth+1)
			}
			continue
		}
		if list := texts(value); len(list) > 0 {
			c[prefix+name] = list
		}
	}
}

// texts are the values of a claim; those that are neither texts, numbers nor
// booleans are left out.
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case json.Number:
		return []string{v.String()}
	case bool:
		return []string{strconv.FormatBool(v)}
	case []any:
		var list []string
		for _, e := range v {
			if _, nested := e.([]any); !nested {
				list = append(list, texts(e)...)
			}
		}
		return list
	default:
		return nil
	}
}

// of are the values of what a rule calls a type: a claim by its name, or as
// web servers in front of Keystone spell it (OIDC-email, HTTP_OIDC_EMAIL).
func (c Claims) of(name string) []string {
	if values, ok := c[name]; ok {
		return values
	}
	if rest, ok := strings.CutPrefix(name, "OIDC-"); ok {
		return c[rest]
	}
	rest, ok := strings.CutPrefix(name, "HTTP_OIDC_")
	if !ok {
		return nil
	}
	for claim, values := range c {
		if strings.ToUpper(strings.ReplaceAll(claim, "-", "_")) == rest {
			return values
		}
	}
	return nil
}
