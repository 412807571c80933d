package policy

import (
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A question is one use of a rule.
type question struct {
	set    *Set
	caller *cloud.Caller
	target Target
}

// A check is a node of a parsed rule.
type check interface{ allows(q *question) bool }

type (
	constant bool
	not      struct{ c check }
	all      []check
	either   []check
	role     string
	rule     string
	compare  struct{ left, right string } // right may hold one %(name)s
)

func (c constant) allows(*question) bool { return bool(c) }

func (c not) allows(q *question) bool { return !c.c.allows(q) }

func (c all) allows(q *question) bool {
	for _, x := range c {
		if !x.allows(q) {
			return false
		}
	}
	return true
}

func (c either) allows(q *question) bool {
	for _, x := range c {
		if x.allows(q) {
			return true
		}
	}
	return false
}

func (c role) allows(q *question) bool { return q.caller.Has(strings.ToLower(string(c))) }

func (c rule) allows(q *question) bool {
	r, ok := q.set.ask(string(c))
	return ok && r.check.allows(q)
}

// allows compares an attribute of the caller (or a literal) with one of the
// target (or a literal). What is missing or empty equals nothing.
func (c compare) allows(q *question) bool {
	right := c.right
	if name, ok := strings.CutPrefix(right, "%("); ok {
		right = q.target[strings.TrimSuffix(name, ")s")]
	}
	left := attribute(q.caller, c.left)
	return left != "" && left == right
}

// attribute is what the rule language can ask of a caller; a quoted word is
// itself.
func attribute(c *cloud.Caller, name string) string {
	if s, ok := quoted(name); ok {
		return s
	}
	switch name {
	case "user_id":
		return c.UserID
	case "project_id", "tenant_id", "tenant":
		return c.ProjectID
	case "domain_id":
		return c.DomainID
	case "user_domain_id":
		return c.UserDomainID
	case "project_domain_id":
		return c.ProjectDomainID
	case "system_scope":
		if c.System {
			return "all"
		}
		return ""
	case "is_admin":
		if c.IsAdmin {
			return "True"
		}
		return "False"
	default:
		return ""
	}
}

func quoted(s string) (string, bool) {
	if len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1], true
	}
	switch s {
	case "None", "True", "False":
		return s, true
	}
	return "", false
}

// refers lists the rules that c names.
func refers(c check) []string {
	switch c := c.(type) {
	case rule:
		return []string{string(c)}
	case not:
		return refers(c.c)
	case all:
		return refersAll(c)
	case either:
		return refersAll(c)
	default:
		return nil
	}
}

func refersAll(list []check) []string {
	var names []string
	for _, c := range list {
		names = append(names, refers(c)...)
	}
	return names
}
