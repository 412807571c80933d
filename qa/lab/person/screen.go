package person

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Size of the terminal.
const (
	Width  = 80
	Height = 24
)

// A screen is a terminal like a VT220 (ECMA-48), as far as programs use it.
type screen struct {
	rows        [][]byte
	row, column int
	saved       [2]int // row and column
	last        byte   // that was put
	top, bottom int    // of the region that scrolls
	rest        string // the beginning of a sequence
}

func newScreen() *screen {
	s := &screen{bottom: Height - 1}
	for range Height {
		s.rows = append(s.rows, blank())
	}
	return s
}

func blank() []byte { return slices.Repeat([]byte{' '}, Width) }

// String is what a person reads, without blanks at the ends of lines.
func (s *screen) String() string {
	var b strings.Builder
	for _, r := range s.rows {
		b.WriteString(strings.TrimRight(string(r), " ") + "\n")
	}
	return b.String()
}

// csi is a control sequence: private mark, parameters, intermediates, final.
var csi = regexp.MustCompile(`^\x1b\[([<=>?]?)([0-9;]*)[ !"$']*([@-~])`)

// longest is the length of the longest sequence that may be incomplete.
const longest = 32

func (s *screen) write(text string) {
	text = s.rest + text
	s.rest = ""
	for len(text) > 0 {
		switch {
		case csi.MatchString(text):
			m := csi.FindStringSubmatch(text)
			s.control(m[1], m[2], m[3][0])
			text = text[len(m[0]):]
		case len(text) > 1 && text[0] == '\x1b' && strings.ContainsRune("78DEM", rune(text[1])):
			s.escape(text[1])
			text = text[2:]
		case text[0] == '\x1b' && len(text) < longest && (len(text) < 2 || text[1] == '['):
			s.rest = text
			return
		case text[0] == '\x1b':
			text = text[min(2, len(text)):]
		default:
			s.put(text[0])
			text = text[1:]
		}
	}
}

// escape does what an escape sequence of one byte says.
func (s *screen) escape(c byte) {
	switch c {
	case '7':
		s.saved = [2]int{s.row, s.column}
	case '8':
		s.row, s.column = s.saved[0], s.saved[1]
	case 'D':
		s.down()
	case 'E':
		s.column = 0
		s.down()
	case 'M':
		s.up()
	}
}

// tab is how far apart tabulator stops are.
const tab = 8

func (s *screen) put(c byte) {
	switch {
	case c == '\t':
		s.column = min(Width-1, (s.column/tab+1)*tab)
	case c == '\r':
		s.column = 0
	case c == '\n':
		s.down()
	case c == '\b':
		s.column = max(0, s.column-1)
	case c >= ' ':
		s.column = min(s.column, Width-1)
		s.rows[s.row][s.column] = c
		s.last = c
		s.column++
	}
}

func (s *screen) down() {
	if s.row != s.bottom {
		s.row = min(s.row+1, Height-1)
		return
	}
	s.scroll(s.top, 1)
}

// scroll moves the rows from one to the bottom of the region up, or down where
// n is negative.
func (s *screen) scroll(from, n int) {
	for range min(n, s.bottom-from+1) {
		s.rows = slices.Insert(slices.Delete(s.rows, from, from+1), s.bottom, blank())
	}
	for range min(-n, s.bottom-from+1) {
		s.rows = slices.Insert(slices.Delete(s.rows, s.bottom, s.bottom+1), from, blank())
	}
}

func (s *screen) up() {
	if s.row != s.top {
		s.row = max(s.row-1, 0)
		return
	}
	s.scroll(s.top, -1)
}

// control does what a control sequence says; those that only change colours
// and modes do nothing here.
func (s *screen) control(private, params string, final byte) {
	if private != "" {
		return
	}
	p := strings.Split(params, ";")
	number := func(i, otherwise int) int {
		if i >= len(p) {
			return otherwise
		}
		n, err := strconv.Atoi(p[i])
		if err != nil || n == 0 {
			return otherwise
		}
		return n
	}
	n := number(0, 1)
	switch final {
	case 'H', 'f':
		s.row, s.column = min(n, Height)-1, min(number(1, 1), Width)-1
	case 'A':
		s.row = max(0, s.row-n)
	case 'B':
		s.row = min(Height-1, s.row+n)
	case 'C':
		s.column = min(Width-1, s.column+n)
	case 'D':
		s.column = max(0, s.column-n)
	case 'd':
		s.row = min(n, Height) - 1
	case 'G', '`':
		s.column = min(n, Width) - 1
	case 'r':
		s.top, s.bottom = n-1, number(1, Height)-1
		s.row, s.column = 0, 0
	case 'K', 'J', 'X':
		s.erase(final, number(0, 0))
	case 'b':
		for range min(n, Width) {
			s.put(s.last)
		}
	default:
		s.move(final, n)
	}
}

// move moves what is on the screen.
func (s *screen) move(final byte, n int) {
	row, at := s.rows[s.row], min(s.column, Width-1)
	n = min(n, Width)
	switch final {
	case 'S':
		s.scroll(s.top, n)
	case 'T':
		s.scroll(s.top, -n)
	case 'L':
		s.scroll(s.row, -n)
	case 'M':
		s.scroll(s.row, n)
	case 'P':
		s.rows[s.row] = append(slices.Delete(row, at, min(at+n, Width)), blank()...)[:Width]
	case '@':
		s.rows[s.row] = slices.Insert(row, at, blank()[:n]...)[:Width]
	}
}

func (s *screen) erase(what byte, how int) {
	row, at := s.rows[s.row], min(s.column, Width-1)
	wipe := func(b []byte) { copy(b, blank()) }
	switch {
	case what == 'X':
		wipe(row[at:min(Width, at+max(how, 1))])
		return
	case how == 0:
		wipe(row[at:])
	case how == 1:
		wipe(row[:at+1])
	default:
		wipe(row)
	}
	for i, r := range s.rows {
		if what == 'J' && (how >= 2 || how == 0 && i > s.row || how == 1 && i < s.row) {
			wipe(r)
		}
	}
}
