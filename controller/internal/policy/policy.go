package policy

import (
	"fmt"
	"sort"
	"sync/atomic"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// What the services' default rules are made of.
const (
	Anyone  = "@"          // every valid token
	Nobody  = "!"          // not even the administrator
	Admin   = "role:admin" // the administrators of the cloud
	Reader  = "role:admin or (role:reader and project_id:%(project_id)s)"
	Member  = "role:admin or (role:member and project_id:%(project_id)s)"
	Manager = "role:admin or (role:manager and project_id:%(project_id)s)"
	Self    = "role:admin or user_id:%(user_id)s"
	// AdminOrSystemReader is who may look at what belongs to the whole system.
	AdminOrSystemReader = "role:admin or (role:reader and system_scope:all)"
	// DomainReader is who may look at what belongs to a domain.
	DomainReader = AdminOrSystemReader + " or (role:reader and domain_id:%(domain_id)s)"
	InScope      = "role:admin or role:reader" // any project, with a role in it
)

// A Rule names who may do one thing.
type Rule struct {
	Name  string
	Check string
	Doc   string // what it allows, for the table of rules
}

// A Target is what an operation is done to: the attributes that a rule may
// compare the caller with.
type Target map[string]string

// A Set is the rules of a service.
type Set struct {
	rules map[string]parsed
}

type parsed struct {
	Rule
	check check
	asked *atomic.Bool // has been held against somebody
}

func newParsed(r Rule, c check) parsed { return parsed{r, c, new(atomic.Bool)} }

// New parses rules. A rule that comes twice replaces the first: overrides
// follow defaults.
func New(rules ...Rule) (*Set, error) {
	s := &Set{rules: map[string]parsed{}}
	for _, r := range rules {
		c, err := parse(r.Check)
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", r.Name, err)
		}
		s.rules[r.Name] = newParsed(r, c)
	}
	done := map[string]bool{}
	for _, r := range s.rules {
		if err := s.resolve(r.check, []string{r.Name}, done); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// resolve sees that every rule that is named exists and none needs itself;
// done are those of which that is known.
func (s *Set) resolve(c check, path []string, done map[string]bool) error {
	for _, name := range refers(c) {
		for _, p := range path {
			if p == name {
				return fmt.Errorf("rule %q refers to itself through %q", name, path[len(path)-1])
			}
		}
		next, ok := s.rules[name]
		if !ok {
			return fmt.Errorf("rule %q refers to the unknown rule %q", path[len(path)-1], name)
		}
		if done[name] {
			continue
		}
		if err := s.resolve(next.check, append(path, name), done); err != nil {
			return err
		}
		done[name] = true
	}
	return nil
}

// Has tells whether there is a rule of that name.
func (s *Set) Has(name string) bool {
	_, ok := s.rules[name]
	return ok
}

// Rules are all rules, sorted by name.
func (s *Set) Rules() []Rule {
	list := make([]Rule, 0, len(s.rules))
	for _, r := range s.rules {
		list = append(list, r.Rule)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// Unasked are the rules that nobody has been held against yet, sorted.
func (s *Set) Unasked() []string {
	var names []string
	for _, r := range s.Rules() {
		if !s.rules[r.Name].asked.Load() {
			names = append(names, r.Name)
		}
	}
	return names
}

// ask finds a rule and notes that it is in use.
func (s *Set) ask(name string) (parsed, bool) {
	r, ok := s.rules[name]
	if ok && !r.asked.Load() {
		r.asked.Store(true)
	}
	return r, ok
}

// Allows tells whether the rule lets the caller do it to the target. A rule
// that does not exist lets nobody.
func (s *Set) Allows(c *cloud.Caller, name string, target Target) bool {
	r, ok := s.ask(name)
	return ok && c != nil && r.check.allows(&question{s, c, target})
}

// Allow is Allows as an error: Forbidden.
func (s *Set) Allow(c *cloud.Caller, name string, target Target) error {
	if s.Allows(c, name, target) {
		return nil
	}
	return cloud.Forbidden("Policy doesn't allow %s to be performed.", name)
}
