package wizard

import "strings"

// Size of the smallest screen that everything is made for.
const (
	minWidth     = 80
	minHeight    = 24
	contentWidth = minWidth - 4
)

// View is the picture, a string per row, of a screen of that size. Without
// attributes it is plain text.
func (m *Model) View(width, height int, attributes bool) []string {
	width, height = max(width, 20), max(height, 8)
	s := m.top()
	rows := []line{m.bar(s, width), {}}
	body := m.body(s, width)
	room := height - len(rows) - 2
	s.scroll = max(0, min(s.scroll, len(body.lines)-room))
	if body.focus >= 0 {
		s.scroll = max(min(s.scroll, body.focus), body.focusEnd-room)
	}
	if s.scroll > 0 {
		rows[1] = text(bold, "  ... more above: Up, Page Up")
	}
	for i := range room {
		if at := s.scroll + i; at < len(body.lines) {
			rows = append(rows, body.lines[at])
		} else {
			rows = append(rows, line{})
		}
	}
	if s.scroll+room < len(body.lines) {
		rows[len(rows)-1] = text(bold, "  ... more below: Down, Page Down")
	}
	rows = append(rows, m.foot(s, width)...)
	out := make([]string, 0, len(rows))
	for _, r := range rows {
		out = append(out, r.render(width, attributes))
	}
	return out
}

// bar is the first row. Where there is no room the version is left out.
func (m *Model) bar(s *screen, width int) line {
	right := " " + m.Driver + " "
	room := max(0, width-len(right))
	left := " Cairn " + clean(m.needs.Version) + "  " + s.title
	if len(left) > room {
		left = " Cairn  " + s.title
	}
	return text(reverse, pad(left, room)+right)
}

// foot is the last two rows: a line about what happens, and the keys.
func (m *Model) foot(s *screen, width int) []line {
	about := line{}
	switch {
	case s.busy != "":
		about = text(warn, "  "+s.busy+" "+strings.Repeat(".", 1+m.beat%3))
	case s.hint != "":
		about = text(s.hintIs, "  "+s.hint)
	}
	keys := s.keys
	if keys == "" {
		keys = "Up/Down move  Enter go on  Esc back  Ctrl-L redraw  Ctrl-C leave"
	}
	return []line{about, text(reverse, pad("  "+keys, width))}
}

// A body is what is between first and last rows, and where the focus is.
type body struct {
	lines           []line
	focus, focusEnd int
}

func (m *Model) body(s *screen, width int) body {
	b := body{focus: -1}
	if s.trouble != "" {
		b.lines = append(indented(2, wrapped(bad, s.trouble, width-4)), line{})
	}
	current, at := s.focused()
	for _, i := range s.items() {
		has := i.kind != kindText && i.id == current.id
		if has && at > 0 {
			b.focus = len(b.lines)
		}
		if has && at == 0 {
			b.focus = 0 // what is above the first is worth seeing
		}
		b.lines = append(b.lines, i.lines(has, s.cursor, min(width, 120))...)
		if fault := s.faults[i.id]; fault != "" && i.kind != kindText {
			b.lines = append(b.lines, indented(4, wrapped(bad, "! "+fault, width-6))...)
		}
		if has {
			b.focusEnd = len(b.lines)
		}
	}
	return b
}
