package wizard

import "strings"

// A style is how a span looks.
type style int

const (
	plain style = iota
	bold
	reverse
	good
	warn
	bad
)

// sgr are the attributes of each style (ECMA-48 SGR).
func (s style) sgr() string {
	switch s {
	case bold:
		return "1"
	case reverse:
		return "7"
	case good:
		return "32"
	case warn:
		return "1;33"
	case bad:
		return "1;31"
	default:
		return ""
	}
}

// A span is text of one style, and a line is spans from left to right.
type (
	span struct {
		style style
		text  string
	}
	line []span
)

// text is a line of one style.
func text(s style, t string) line { return line{{s, t}} }

// clean leaves printable ASCII: text from outside must not steer a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// render writes a line in at most width columns, with attributes or without.
func (l line) render(width int, attributes bool) string {
	var b strings.Builder
	for _, s := range l {
		t := clean(s.text)
		t = t[:min(len(t), width)]
		width -= len(t)
		if code := s.style.sgr(); code != "" && attributes && t != "" {
			t = "\x1b[" + code + "m" + t + "\x1b[0m"
		}
		b.WriteString(t)
	}
	return b.String()
}

// wrapped breaks text at blanks into lines of at most width columns; a word
// that is longer is cut.
func wrapped(s style, t string, width int) []line {
	var out []line
	for _, par := range strings.Split(t, "\n") {
		row := ""
		for _, w := range strings.Fields(par) {
			for len(w) > width {
				if row != "" {
					out = append(out, text(s, row))
					row = ""
				}
				out, w = append(out, text(s, w[:width])), w[width:]
			}
			if row != "" && len(row)+1+len(w) > width {
				out, row = append(out, text(s, row)), ""
			}
			row = strings.TrimPrefix(row+" "+w, " ")
		}
		out = append(out, text(s, row))
	}
	return out
}

// indented puts blanks before every line.
func indented(n int, lines []line) []line {
	for i := range lines {
		lines[i] = append(line{{plain, strings.Repeat(" ", n)}}, lines[i]...)
	}
	return lines
}

// pad fills a text up to a width, and cuts what is beyond.
func pad(t string, width int) string {
	if len(t) >= width {
		return t[:width]
	}
	return t + strings.Repeat(" ", width-len(t))
}

// dash stands where there is nothing to say.
func dash(t string) string {
	if t == "" {
		return "-"
	}
	return t
}
