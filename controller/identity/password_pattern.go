package identity

import (
	"fmt"
	"regexp"
	"strings"
)

// A passwordPattern is a regular expression that passwords must match from
// their beginning. Go's expressions (RE2) have no lookahead, which is how
// several demands are usually put into one; so lookaheads at the beginning are
// taken apart: ^(?=.*\d)(?!.*pass).{8,}$ is three expressions.
type passwordPattern []demand

// A demand is one expression that must match, or must not.
type demand struct {
	expression *regexp.Regexp
	wanted     bool
}

// matches tells whether a password meets all demands.
func (p passwordPattern) matches(password string) bool {
	for _, d := range p {
		if d.expression.MatchString(password) != d.wanted {
			return false
		}
	}
	return true
}

// parsePattern reads an expression; empty: no demands.
func parsePattern(text string) (passwordPattern, error) {
	if text == "" {
		return nil, nil
	}
	var p passwordPattern
	rest := strings.TrimPrefix(text, "^")
	for {
		wanted := strings.HasPrefix(rest, "(?=")
		if !wanted && !strings.HasPrefix(rest, "(?!") {
			break
		}
		end := closing(rest)
		if end < 0 {
			return nil, fmt.Errorf("%q has a bracket that is not closed", text)
		}
		if err := p.add(rest[len("(?="):end], wanted); err != nil {
			return nil, fmt.Errorf("%q: %w; allowed: RE2, lookaheads only at the beginning", text, err)
		}
		rest = rest[end+1:]
	}
	if err := p.add(rest, true); err != nil {
		return nil, fmt.Errorf("%q: %w; allowed: RE2, lookaheads only at the beginning", text, err)
	}
	return p, nil
}

func (p *passwordPattern) add(expression string, wanted bool) error {
	re, err := regexp.Compile(`\A(?:` + expression + `)`)
	if err != nil {
		return err
	}
	*p = append(*p, demand{re, wanted})
	return nil
}

// closing is where the bracket closes that s begins with; -1 if it does not.
func closing(s string) int {
	depth, class := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case class && c == ']':
			class = false
		case class:
		case c == '[':
			class = true
			if strings.HasPrefix(s[i+1:], "^") {
				i++
			}
			if strings.HasPrefix(s[i+1:], "]") { // a bracket that comes first is one of the class
				i++
			}
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
