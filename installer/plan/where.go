package plan

import (
	"slices"
	"strconv"
	"strings"
)

// A test is one condition of match.where: an operator and what is compared
// with. Text is compared without regard to case, and * and ? stand for any
// letters and any one letter.
type test struct {
	op     string // = != < <= > >=
	text   string
	number int64
}

// Patterns of conditions, for the schema.
const (
	numberPattern = `^\s*(=|!=|<|<=|>|>=)?\s*-?[0-9]{1,18}\s*(KiB|MiB|GiB|TiB)?\s*$`
	textPattern   = `^[ \t]*([^<>\s][^\r\n]*)?$`
	flagPattern   = `^\s*(=|!=)?\s*(true|True|TRUE|false|False|FALSE)\s*$`
)

// allowed says in words what a condition on the field looks like.
func (f invField) allowed() string {
	switch f.kind {
	case kindNumber:
		return "a number, or one of = != < <= > >= and a number, like '>= 16' or '> 400 GiB'"
	case kindList:
		return "how many there are, like '>= 2'"
	case kindFlag:
		return "true or false"
	default:
		return "text, with * for any letters and ? for one, or != and text"
	}
}

// takes tells whether a condition can be put to the field.
func (f invField) takes(condition string) bool {
	t := parseTest(condition)
	switch f.kind {
	case kindText:
		return (t.op == "=" || t.op == "!=") && !strings.ContainsAny(condition, "\r\n")
	case kindFlag:
		return (t.op == "=" || t.op == "!=") && slices.Contains([]string{"true", "True", "TRUE", "false", "False", "FALSE"}, t.text)
	}
	_, ok := parseNumber(t.text)
	return ok
}

func parseTest(condition string) test {
	condition = strings.TrimSpace(condition)
	t := test{op: "=", text: condition}
	for _, op := range []string{">=", "<=", "!=", ">", "<", "="} {
		if rest, ok := strings.CutPrefix(condition, op); ok {
			t = test{op: op, text: strings.TrimSpace(rest)}
			break
		}
	}
	t.number, _ = parseNumber(t.text)
	return t
}

// parseNumber reads a number with a binary unit or without.
func parseNumber(s string) (int64, bool) {
	shift := 0
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if rest, ok := strings.CutSuffix(s, unit); ok {
			s, shift = strings.TrimSpace(rest), 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || len(strings.TrimPrefix(s, "-")) > 18 || strings.HasPrefix(s, "+") || n<<shift>>shift != n {
		return 0, false
	}
	return n << shift, true
}

// meets tells whether one value meets the test.
func (t test) meets(k kind, value string) bool {
	if k == kindText || k == kindFlag {
		return glob(strings.ToLower(t.text), strings.ToLower(value)) == (t.op == "=")
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return false
	}
	switch t.op {
	case "=":
		return n == t.number
	case "!=":
		return n != t.number
	case "<":
		return n < t.number
	case "<=":
		return n <= t.number
	case ">":
		return n > t.number
	default:
		return n >= t.number
	}
}

// glob tells whether a pattern with * and ? fits the whole of a text.
func glob(pattern, s string) bool {
	p, star, back := 0, -1, 0
	for i := 0; i < len(s); {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, back = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			back++
			p, i = star+1, back
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
