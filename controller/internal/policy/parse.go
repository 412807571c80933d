package policy

import (
	"fmt"
	"strings"
)

// parse reads a rule: or binds weaker than and, and weaker than not.
func parse(text string) (check, error) {
	if strings.TrimSpace(text) == "" {
		return constant(true), nil
	}
	p := &parser{words: words(text)}
	c, err := p.or()
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	if w := p.peek(); w != "" {
		return nil, fmt.Errorf("%q: unexpected %q", text, w)
	}
	return c, nil
}

// words cuts a rule into words; parentheses that are not part of %(...)s are
// words of their own.
func words(text string) []string {
	var list []string
	for _, w := range strings.Fields(text) {
		for strings.HasPrefix(w, "(") {
			list = append(list, "(")
			w = w[1:]
		}
		var closing int
		for strings.HasSuffix(w, ")") {
			closing++
			w = w[:len(w)-1]
		}
		if w != "" {
			list = append(list, w)
		}
		for range closing {
			list = append(list, ")")
		}
	}
	return list
}

type parser struct{ words []string }

func (p *parser) peek() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

func (p *parser) take() string {
	w := p.peek()
	if len(p.words) > 0 {
		p.words = p.words[1:]
	}
	return w
}

func (p *parser) or() (check, error) {
	return p.list("or", p.and, func(l []check) check { return either(l) })
}

func (p *parser) and() (check, error) {
	return p.list("and", p.not, func(l []check) check { return all(l) })
}

// list reads parts with a word between them.
func (p *parser) list(word string, part func() (check, error), join func([]check) check) (check, error) {
	var parts []check
	for {
		c, err := part()
		if err != nil {
			return nil, err
		}
		parts = append(parts, c)
		if !strings.EqualFold(p.peek(), word) {
			break
		}
		p.take()
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return join(parts), nil
}

func (p *parser) not() (check, error) {
	if strings.EqualFold(p.peek(), "not") {
		p.take()
		c, err := p.not()
		return not{c}, err
	}
	return p.atom()
}

func (p *parser) atom() (check, error) {
	switch w := p.take(); w {
	case "":
		return nil, fmt.Errorf("ends too early")
	case "(":
		c, err := p.or()
		if err != nil {
			return nil, err
		}
		if w := p.take(); w != ")" {
			return nil, fmt.Errorf("a ) is missing before %q", w)
		}
		return c, nil
	case "@":
		return constant(true), nil
	case "!":
		return constant(false), nil
	default:
		kind, match, ok := strings.Cut(w, ":")
		switch {
		case !ok || match == "":
			return nil, fmt.Errorf("%q is no check; allowed: @, !, role:x, rule:x, attribute:%%(target)s", w)
		case kind == "role":
			return role(match), nil
		case kind == "rule":
			return rule(match), nil
		default:
			return compareOf(kind, match), nil
		}
	}
}

func compareOf(left, right string) compare {
	if s, ok := quoted(right); ok {
		right = s
	}
	return compare{left, right}
}
