package lab

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A view shows how far things are: on a terminal lines that redraw
// themselves, elsewhere a line whenever there is something new.
type view struct {
	out      io.Writer
	terminal bool
	began    time.Time
	now      func() time.Time

	step  string            // under way
	drawn int               // lines on the terminal to draw over
	said  map[string]string // what a plain view said last, by machine
	spoke time.Time         // when it said anything last
	shown map[string]string // the ends of consoles that it showed then, by machine
}

// silence is how long a plain view says nothing while nothing is new: a log
// that stands still looks like a run that has died.
const silence = 30 * time.Second

func newView(out io.Writer, terminal bool) *view {
	return &view{out: out, terminal: terminal, began: time.Now(), now: time.Now, said: make(map[string]string), shown: make(map[string]string)}
}

// clock is the time since the beginning, like 3:07.
func (v *view) clock() string { return clock(v.now().Sub(v.began)) }

func clock(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// say prints a line that stays.
func (v *view) say(format string, args ...any) {
	v.clear()
	v.spoke = v.now()
	fmt.Fprintf(v.out, "%6s  %s\n", v.clock(), fmt.Sprintf(format, args...))
}

// announce says that a step begins.
func (v *view) announce(step string) {
	v.step = step
	v.say("%s", step)
}

// announced tells whether the step under way says what is waited for.
func (v *view) announced(what string) bool { return v.step == what }

// clear takes what is drawn off the terminal.
func (v *view) clear() {
	if v.drawn > 0 {
		fmt.Fprintf(v.out, "\x1b[%dA\x1b[J", v.drawn)
		v.drawn = 0
	}
}

// show shows what is waited for and how far the machines are.
func (v *view) show(s *Status, w waiting, detail string) {
	if !v.terminal {
		v.showPlain(s, w, detail)
		return
	}
	lines := []string{fmt.Sprintf("%6s  until %s %s", v.clock(), w.what, detail)}
	for _, m := range s.Machines {
		if m.On {
			lines = append(lines, fmt.Sprintf("        %-12s %-17s %s", m.Name, m.current(), bar(m.last())))
		}
	}
	v.clear()
	for i, l := range lines {
		lines[i] = l[:min(len(l), 118)]
	}
	fmt.Fprintln(v.out, strings.Join(lines, "\n"))
	v.drawn = len(lines)
}

// showPlain says what is new; if nothing is for long, what the machines do.
func (v *view) showPlain(s *Status, w waiting, detail string) {
	for _, m := range s.Machines {
		if text := m.current(); m.On && v.said[m.Name] != text {
			v.said[m.Name] = text
			v.say("%s: %s", m.Name, text)
		}
	}
	// What is waited for is a step that was announced, or has a name here.
	text := strings.TrimSpace("until " + w.what + " " + detail)
	if v.said[""] != text && (detail != "" || !v.announced(w.what)) {
		v.said[""] = text
		v.say("%s", text)
	}
	if v.now().Sub(v.spoke) < silence {
		return
	}
	v.say("still waiting %s", text)
	for _, m := range s.Machines {
		if last := m.last(); m.On && last != v.shown[m.Name] {
			v.shown[m.Name] = last
			fmt.Fprintf(v.out, "        %-12s %-17s %s\n", m.Name, m.current(), last[:min(len(last), 118)])
		}
	}
}

var percent = regexp.MustCompile(`(\d{1,3})%`)

// bar draws a bar where a line names a percentage, and else shows the line.
func bar(line string) string {
	m := percent.FindStringSubmatch(line)
	if m == nil {
		return line
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n > 100 {
		return line
	}
	const width = 30
	full := n * width / 100
	_, after, _ := strings.Cut(line, m[0])
	return fmt.Sprintf("[%s%s] %3d%% %s", strings.Repeat("#", full), strings.Repeat("-", width-full), n, strings.TrimSpace(after))
}
