package federation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// A Mapping is rules, as OS-FEDERATION's mappings have them (version 1.0).
type Mapping struct{ rules []rule }

// A rule says what follows if all of its requirements are met.
type rule struct {
	Local  []local       `json:"local"`
	Remote []requirement `json:"remote"`
}

// A requirement is one claim that must be there, and perhaps what it must be.
// Without a condition its values stand for {0}, {1} and so on in Local, as
// they do with whitelist and blacklist, which leave some out.
type requirement struct {
	Type      string   `json:"type"`
	AnyOneOf  []string `json:"any_one_of"`
	NotAnyOf  []string `json:"not_any_of"`
	Whitelist []string `json:"whitelist"`
	Blacklist []string `json:"blacklist"`
	Regex     bool     `json:"regex"`

	patterns []*regexp.Regexp // of the condition, if Regex
}

// A local is what follows from a rule.
type local struct {
	User     *localUser     `json:"user,omitempty"`
	Group    *localGroup    `json:"group,omitempty"`
	Groups   string         `json:"groups,omitempty"`    // names, in Domain
	GroupIDs string         `json:"group_ids,omitempty"` // ids
	Domain   *Domain        `json:"domain,omitempty"`
	Projects []localProject `json:"projects,omitempty"`
}

// localUser is who it is. Type is ephemeral, which is the default, or local.
type localUser struct {
	ID     string  `json:"id,omitempty"`
	Name   string  `json:"name,omitempty"`
	Email  string  `json:"email,omitempty"`
	Type   string  `json:"type,omitempty"`
	Domain *Domain `json:"domain,omitempty"`
}

// localGroup is a group by its id, or by its name in a domain.
type localGroup struct {
	ID     string  `json:"id,omitempty"`
	Name   string  `json:"name,omitempty"`
	Domain *Domain `json:"domain,omitempty"`
}

// localProject is a project that is made if it is absent, and the roles on it.
type localProject struct {
	Name   string                  `json:"name"`
	Roles  []struct{ Name string } `json:"roles"`
	Domain *Domain                 `json:"domain,omitempty"`
}

// A Domain is one by its id or name.
type Domain struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// ErrMapping is what all refusals of a mapping are.
var ErrMapping = errors.New("mapping")

func wrong(rule int, format string, args ...any) error {
	return fmt.Errorf("%w: rules[%d]: %s", ErrMapping, rule, fmt.Sprintf(format, args...))
}

// Bounds of a mapping.
const (
	mostRules = 500
	mostParts = 100 // of one rule, on either side
)

// ParseMapping reads the rules of a mapping and refuses what they cannot mean.
func ParseMapping(rules []byte) (*Mapping, error) {
	m := &Mapping{}
	d := json.NewDecoder(bytes.NewReader(rules))
	d.DisallowUnknownFields()
	if err := d.Decode(&m.rules); err != nil {
		return nil, fmt.Errorf("%w: rules: %w", ErrMapping, err)
	}
	if len(m.rules) == 0 || len(m.rules) > mostRules {
		return nil, fmt.Errorf("%w: there are %d rules; allowed: 1 to %d", ErrMapping, len(m.rules), mostRules)
	}
	for i := range m.rules {
		if err := m.rules[i].check(i); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// check holds a rule against what rules can be, and compiles its patterns.
func (r *rule) check(at int) error {
	if len(r.Local) == 0 || len(r.Remote) == 0 || len(r.Local) > mostParts || len(r.Remote) > mostParts {
		return wrong(at, "local has %d parts and remote %d; allowed: 1 to %d of each", len(r.Local), len(r.Remote), mostParts)
	}
	stand := 0
	for i := range r.Remote {
		direct, err := r.Remote[i].check(at)
		if err != nil {
			return err
		}
		if direct {
			stand++
		}
	}
	for i := range r.Local {
		if err := r.Local[i].check(at); err != nil {
			return err
		}
		for _, text := range r.Local[i].texts() {
			for _, n := range places(text) {
				if n >= stand {
					return wrong(at, "local says {%d}; there are %d remote parts whose values can stand there", n, stand)
				}
			}
		}
	}
	return nil
}

// check tells whether the values of the claim stand for a place of Local.
func (q *requirement) check(at int) (direct bool, err error) {
	if q.Type == "" {
		return false, wrong(at, "a part of remote has no type; needed: the name of a claim")
	}
	conditions := 0
	for _, c := range [][]string{q.AnyOneOf, q.NotAnyOf, q.Whitelist, q.Blacklist} {
		if c == nil {
			continue
		}
		conditions++
		for _, text := range c {
			if !q.Regex {
				continue
			}
			p, err := regexp.Compile(text)
			if err != nil {
				return false, wrong(at, "%q is no regular expression (RE2): %v", text, err)
			}
			q.patterns = append(q.patterns, p)
		}
	}
	if conditions > 1 || conditions == 0 && q.Regex {
		return false, wrong(at, "type %s has %d conditions; allowed: one of any_one_of, not_any_of, whitelist and blacklist, or none without regex", q.Type, conditions)
	}
	return q.AnyOneOf == nil && q.NotAnyOf == nil, nil
}

func (l *local) check(at int) error {
	switch u := l.User; {
	case u != nil && u.Type != "" && u.Type != "ephemeral" && u.Type != "local":
		return wrong(at, "user.type is %q; allowed: ephemeral, local", u.Type)
	case u != nil && u.ID == "" && u.Name == "" && u.Email == "" && u.Type == "":
		return wrong(at, "user is empty; needed: name or id")
	case l.Group != nil && (l.Group.ID == "") == (l.Group.Name == ""):
		return wrong(at, "group has neither or both of id and name; allowed: one of them")
	case l.Group != nil && l.Group.Name != "" && l.Group.Domain.empty():
		return wrong(at, "group %q has no domain; needed: its id or name", l.Group.Name)
	case l.Groups != "" && l.Domain.empty():
		return wrong(at, "groups has no domain beside it; needed: its id or name")
	}
	for _, p := range l.Projects {
		if p.Name == "" || len(p.Roles) == 0 || slices.ContainsFunc(p.Roles, func(r struct{ Name string }) bool { return r.Name == "" }) {
			return wrong(at, "a project has no name or no roles; needed: both, roles by name")
		}
	}
	return nil
}

func (d *Domain) empty() bool { return d == nil || d.ID == "" && d.Name == "" }

// texts are the parts in which values of claims may stand.
func (l *local) texts() []string {
	list := []string{l.Groups, l.GroupIDs}
	domains := []*Domain{l.Domain}
	if u := l.User; u != nil {
		list, domains = append(list, u.ID, u.Name, u.Email), append(domains, u.Domain)
	}
	if g := l.Group; g != nil {
		list, domains = append(list, g.ID, g.Name), append(domains, g.Domain)
	}
	for _, p := range l.Projects {
		list, domains = append(list, p.Name), append(domains, p.Domain)
		for _, r := range p.Roles {
			list = append(list, r.Name)
		}
	}
	for _, d := range domains {
		if d != nil {
			list = append(list, d.ID, d.Name)
		}
	}
	return list
}

var place = regexp.MustCompile(`\{([0-9]{1,4})\}`)

// places are the numbers of the places in a text.
func places(text string) []int {
	var list []int
	for _, m := range place.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1]) // at most four digits
		list = append(list, n)
	}
	return list
}
