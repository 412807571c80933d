package federation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Result is what a mapping makes of claims.
type Result struct {
	User     User
	GroupIDs []string
	Groups   []Group
	Projects []Project
}

// A User is who it is: one of this cloud already if Local, by id or by name
// and domain; else somebody whom the issuer alone knows.
type User struct {
	ID, Name, Email string
	Local           bool
	Domain          Domain // of a local user that is named
}

// A Group is one by its name.
type Group struct {
	Name   string
	Domain Domain
}

// A Project is one by its name, with the names of roles. Its domain may be
// empty: the provider's.
type Project struct {
	Name   string
	Domain Domain
	Roles  []string
}

// ErrNobody is that a mapping knows no user by the claims.
var ErrNobody = errors.New("no rule of the mapping names a user for these claims")

// Apply holds the rules against claims. All rules that are met count; of
// users the first.
func (m *Mapping) Apply(c Claims) (*Result, error) {
	out := &Result{}
	known := false
	for i := range m.rules {
		r := &m.rules[i]
		values, met := r.met(c)
		if !met {
			continue
		}
		for j := range r.Local {
			l := &r.Local[j]
			if l.User != nil && !known {
				u, err := l.User.with(values)
				if err != nil {
					return nil, fmt.Errorf("rules[%d]: user: %w", i, err)
				}
				out.User, known = u, true
			}
			if err := out.add(l, values); err != nil {
				return nil, fmt.Errorf("rules[%d]: %w", i, err)
			}
		}
	}
	if out.User.ID == "" && out.User.Name == "" {
		return nil, ErrNobody
	}
	return out, nil
}

// met tells whether all requirements are, and gives the values for {0}, {1}
// and so on.
func (r *rule) met(c Claims) (values [][]string, met bool) {
	for i := range r.Remote {
		q := &r.Remote[i]
		have := c.of(q.Type)
		if len(have) == 0 {
			return nil, false
		}
		switch {
		case q.AnyOneOf != nil:
			if !slices.ContainsFunc(have, func(v string) bool { return q.fits(q.AnyOneOf, v) }) {
				return nil, false
			}
		case q.NotAnyOf != nil:
			if slices.ContainsFunc(have, func(v string) bool { return q.fits(q.NotAnyOf, v) }) {
				return nil, false
			}
		case q.Whitelist != nil:
			values = append(values, filter(have, func(v string) bool { return q.fits(q.Whitelist, v) }))
		case q.Blacklist != nil:
			values = append(values, filter(have, func(v string) bool { return !q.fits(q.Blacklist, v) }))
		default:
			values = append(values, have)
		}
	}
	return values, true
}

// fits tells whether a value is one of those that are listed.
func (q *requirement) fits(list []string, value string) bool {
	if !q.Regex {
		return slices.Contains(list, value)
	}
	for _, p := range q.patterns {
		if p.MatchString(value) {
			return true
		}
	}
	return false
}

func filter(list []string, keep func(string) bool) []string {
	var left []string
	for _, v := range list {
		if keep(v) {
			left = append(left, v)
		}
	}
	return left
}

// one is a text with values in its places; a place must have one value.
func one(text string, values [][]string) (string, error) {
	for _, n := range places(text) {
		if len(values[n]) != 1 {
			return "", fmt.Errorf("{%d} in %q stands for %d values; it must be one", n, text, len(values[n]))
		}
	}
	return place.ReplaceAllStringFunc(text, func(at string) string { return strings.TrimSpace(values[places(at)[0]][0]) }), nil
}

// many is a text that is one place, with each of its values, or else one.
func many(text string, values [][]string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	if at := places(text); len(at) == 1 && place.ReplaceAllString(text, "") == "" {
		return values[at[0]], nil
	}
	s, err := one(text, values)
	return []string{s}, err
}

// oneEach fills texts in.
func oneEach(values [][]string, texts ...*string) error {
	for _, t := range texts {
		s, err := one(*t, values)
		if err != nil {
			return err
		}
		*t = s
	}
	return nil
}

func (d *Domain) with(values [][]string) (out Domain, err error) {
	if d != nil {
		out = *d
	}
	return out, oneEach(values, &out.ID, &out.Name)
}

func (u *localUser) with(values [][]string) (out User, err error) {
	out = User{ID: u.ID, Name: u.Name, Email: u.Email, Local: u.Type == "local"}
	if out.Domain, err = u.Domain.with(values); err != nil {
		return out, err
	}
	return out, oneEach(values, &out.ID, &out.Name, &out.Email)
}

// add adds the groups and projects of a part.
func (out *Result) add(l *local, values [][]string) error {
	ids, err := many(l.GroupIDs, values)
	if err != nil {
		return fmt.Errorf("group_ids: %w", err)
	}
	out.GroupIDs = append(out.GroupIDs, ids...)
	if g := l.Group; g != nil {
		if err := out.addGroup(g, values); err != nil {
			return fmt.Errorf("group: %w", err)
		}
	}
	names, err := many(l.Groups, values)
	if err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	domain, err := l.Domain.with(values)
	if err != nil {
		return fmt.Errorf("domain: %w", err)
	}
	for _, n := range names {
		out.Groups = append(out.Groups, Group{n, domain})
	}
	for _, p := range l.Projects {
		if err := out.addProject(&p, values); err != nil {
			return fmt.Errorf("project: %w", err)
		}
	}
	return nil
}

func (out *Result) addGroup(g *localGroup, values [][]string) error {
	id, name := g.ID, g.Name
	if err := oneEach(values, &id, &name); err != nil {
		return err
	}
	domain, err := g.Domain.with(values)
	if id != "" {
		out.GroupIDs = append(out.GroupIDs, id)
	} else {
		out.Groups = append(out.Groups, Group{name, domain})
	}
	return err
}

func (out *Result) addProject(p *localProject, values [][]string) error {
	made := Project{Name: p.Name}
	if err := oneEach(values, &made.Name); err != nil {
		return err
	}
	for _, r := range p.Roles {
		name := r.Name
		if err := oneEach(values, &name); err != nil {
			return err
		}
		made.Roles = append(made.Roles, name)
	}
	domain, err := p.Domain.with(values)
	made.Domain = domain
	out.Projects = append(out.Projects, made)
	return err
}
