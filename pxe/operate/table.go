package operate

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/cairn-cloud/cairn/pxe/fleet"
)

// barWidth is that of a bar, in characters.
const barWidth = 20

// Table is a line per machine, and below it, indented, why it waits or
// failed. Lines are cut at the width; 0 cuts nothing.
func Table(all []fleet.Machine, now time.Time, width int) string {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b fleet.Machine) int { return cmp.Or(natural(title(&a), title(&b)), cmp.Compare(a.ID, b.ID)) })
	names := len("machine")
	for i := range all {
		names = max(names, len(title(&all[i])))
	}
	var b strings.Builder
	row := func(format string, args ...any) { b.WriteString(cut(fmt.Sprintf(format, args...), width) + "\n") }
	row("%-*s  %-11s  %-15s  %-*s  %-14s  %s", names, "machine", "state", "address", barWidth, "progress", "deployer+peers", "")
	for i := range all {
		m := &all[i]
		address := ""
		if m.Address.IsValid() {
			address = m.Address.String()
		}
		row("%-*s  %-11s  %-15s  %s  %-14s  %s", names, title(m), m.State, address, bar(share(m)), fetched(m), doing(m, now))
		if w := why(m); w != "" {
			row("    %s", w)
		}
	}
	if len(all) == 0 {
		row("no machine has asked for an address yet; power one on with network boot")
	}
	return b.String()
}

func title(m *fleet.Machine) string {
	switch {
	case m.Name != "":
		return m.Name
	case len(m.MACs) > 0:
		return m.MACs[0]
	}
	return m.ID
}

// share is how far a machine is, from 0 to 1.
func share(m *fleet.Machine) float64 {
	if p := m.Progress; m.State == fleet.Installing && p != nil && p.Total > 0 {
		return float64(p.Done) / float64(p.Total)
	}
	way := fleet.States()[:len(fleet.States())-1] // but for failed
	return float64(max(0, slices.Index(way, m.State))) / float64(len(way)-1)
}

func bar(share float64) string {
	full := int(share*barWidth + 0.5)
	return strings.Repeat("#", full) + strings.Repeat(".", barWidth-full)
}

// fetched is how much of the image the machine has from the deployer and from
// other machines, in 10^6 bytes.
func fetched(m *fleet.Machine) string {
	t := m.Traffic
	if t == nil {
		return ""
	}
	return fmt.Sprintf("%d+%d MB", t.Deployer/1e6, t.Peers/1e6)
}

// doing says what is under way: the phase of an installation with its speed,
// or how long the state lasts.
func doing(m *fleet.Machine, now time.Time) string {
	p := m.Progress
	if m.State != fleet.Installing || p == nil {
		return "for " + now.Sub(m.Since).Round(time.Second).String()
	}
	words := []string{p.Phase}
	if p.Total > 0 {
		words = append(words, fmt.Sprintf("%d of %d MB", p.Done/1e6, p.Total/1e6))
	}
	if p.Rate > 0 {
		words = append(words, fmt.Sprintf("%.0f MB/s", p.Rate))
	}
	if p.ETA > 0 {
		words = append(words, (time.Duration(p.ETA)*time.Second).String()+" left")
	}
	return strings.Join(words, ", ")
}

func why(m *fleet.Machine) string {
	if m.State == fleet.Failed {
		return m.Reason
	}
	return cmp.Or(m.Hint, m.Wait)
}

// cut shortens a line to a width.
func cut(s string, width int) string {
	s = strings.TrimRight(s, " ")
	if r := []rune(s); width > 3 && len(r) > width {
		return string(r[:width-3]) + "..."
	}
	return s
}

// natural compares names with their numbers as numbers.
func natural(a, b string) int {
	cutDigits := func(s string) (string, int) {
		i := len(s)
		for i > 0 && s[i-1] >= '0' && s[i-1] <= '9' {
			i--
		}
		n := 0
		for _, c := range s[i:] {
			n = n*10 + int(c-'0')
		}
		return s[:i], n
	}
	if strings.Contains(a, ":") || strings.Contains(b, ":") {
		return cmp.Compare(a, b)
	}
	x, m := cutDigits(a)
	y, n := cutDigits(b)
	return cmp.Or(cmp.Compare(x, y), cmp.Compare(m, n))
}

func terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// width is that of the terminal, or 0.
func width(f *os.File) int {
	if w, _, err := term.GetSize(int(f.Fd())); err == nil {
		return w
	}
	return 0
}

// A screen draws the table again and again: in place on a terminal, and
// elsewhere only what changed, a line each.
type screen struct {
	out   *os.File
	live  bool
	lines int // drawn last
	said  map[string]string
}

func (s *screen) show(all []fleet.Machine, now time.Time) {
	if s.live {
		s.draw(Table(all, now, width(s.out)))
		return
	}
	if s.said == nil {
		s.said = map[string]string{}
	}
	for i := range all {
		m := &all[i]
		line := title(m) + " " + string(m.State)
		if m.Progress != nil && m.State == fleet.Installing {
			line += " " + m.Progress.Phase
		}
		if w := why(m); w != "" {
			line += ": " + w
		}
		if s.said[m.ID] != line {
			s.said[m.ID] = line
			fmt.Fprintln(s.out, now.Format(time.TimeOnly), line)
		}
	}
}

func (s *screen) note(text string) {
	if s.live {
		s.draw(text + "\n")
		return
	}
	fmt.Fprintln(s.out, text)
}

// draw puts the text over the one before it. What does not fit is left out.
func (s *screen) draw(text string) {
	lines := strings.SplitAfter(text, "\n")
	if _, h, err := term.GetSize(int(s.out.Fd())); err == nil && len(lines) > h {
		lines = lines[:h-1]
	}
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.lines)
	}
	for _, l := range lines {
		b.WriteString(strings.TrimSuffix(l, "\n") + "\x1b[K")
		if strings.HasSuffix(l, "\n") {
			b.WriteString("\n")
		}
	}
	b.WriteString("\x1b[J")
	s.lines = strings.Count(strings.Join(lines, ""), "\n")
	_, _ = io.WriteString(s.out, b.String()) // a terminal that is gone ends the program by itself
}
