package policy

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"go.yaml.in/yaml/v4"
)

// An Override is a rule of an operator's file, with where it stands.
type Override struct {
	Rule
	File string
	Line int
}

// at is the place for errors.
func (o *Override) at() string { return fmt.Sprintf("%s:%d: rule %q", o.File, o.Line, o.Name) }

// maxFile bounds a file of rules, in bytes.
const maxFile = 1 << 20

// ReadFile reads a file of overrides: YAML, one mapping of names to checks, as
// OpenStack's policy.yaml. A file that is not there overrides nothing.
func ReadFile(file string) ([]Override, error) {
	info, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("%s: %d bytes; allowed: up to %d", file, info.Size(), maxFile)
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Read(file, text)
}

// Read reads the text of a file of overrides. Errors name file, line and rule.
func Read(file string, text []byte) ([]Override, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" { // empty, or nothing but comments
		return nil, nil
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: want a mapping of rules to checks", file, top.Line)
	}
	var list []Override
	var errs []error
	for i := 0; i+1 < len(top.Content); i += 2 {
		name, check := top.Content[i], top.Content[i+1]
		o := Override{Rule{Name: name.Value, Check: check.Value}, file, name.Line}
		first := slices.IndexFunc(list, func(p Override) bool { return p.Name == o.Name })
		switch {
		case name.Kind != yaml.ScalarNode || name.Value == "":
			errs = append(errs, fmt.Errorf("%s:%d: want the name of a rule", file, name.Line))
		case first >= 0:
			errs = append(errs, fmt.Errorf("%s: stands in line %d already", o.at(), list[first].Line))
		case check.Kind != yaml.ScalarNode || check.Tag != "!!str":
			errs = append(errs, fmt.Errorf("%s: want a check in quotes, like \"role:admin\"", o.at()))
		default:
			if _, err := parse(o.Check); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", o.at(), err))
			}
			list = append(list, o)
		}
	}
	return list, errors.Join(errs...)
}

// Override is the set with rules replaced. A name that the set does not have
// must be used by a rule that it has, or by another override: it is a short
// name then. What cannot be parsed, is not known or needs itself is an error
// that names file, line and rule; all errors are told at once.
func (s *Set) Override(list []Override) (*Set, error) {
	next := &Set{rules: make(map[string]parsed, len(s.rules)+len(list))}
	for name, r := range s.rules {
		next.rules[name] = r
	}
	var errs []error
	used := map[string]bool{}
	for i := range list {
		o := &list[i]
		c, err := parse(o.Check)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", o.at(), err))
			continue
		}
		for _, name := range refers(c) {
			used[name] = used[name] || name != o.Name
		}
		o.Doc = s.rules[o.Name].Doc
		next.rules[o.Name] = newParsed(o.Rule, c)
	}
	done := map[string]bool{}
	for i := range list {
		o := &list[i]
		r, ok := next.rules[o.Name]
		if !ok || r.Check != o.Check {
			continue // said above
		}
		if !s.Has(o.Name) && !used[o.Name] {
			errs = append(errs, fmt.Errorf("%s: there is no such rule, and no check uses it", o.at()))
			continue
		}
		if err := next.resolve(r.check, []string{o.Name}, done); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", o.at(), err))
		}
	}
	return next, errors.Join(errs...)
}
