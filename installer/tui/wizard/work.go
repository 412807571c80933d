package wizard

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// A job is an installation that is under way.
type job struct {
	title  string
	phases []phase
	log    []string
	over   bool
}

// A phase is one part of an installation.
type phase struct {
	name        string
	detail      string
	began       time.Time
	ended       time.Time // zero: it is the one that runs
	done, total int64     // bytes
}

// Phases in their order. One that is not on the list is shown as it comes.
func knownPhases() []string {
	return []string{"partition", "write", "verify", "configure", "enrol", "handover"}
}

// maxLog is how many lines of the log are kept.
const maxLog = 200

// Begin shows an installation.
func (m *Model) Begin(title string) {
	m.job = &job{title: title}
	m.top().busy = ""
	s := &screen{title: title, keys: "Ctrl-L redraw  Ctrl-C leave", back: func() {}}
	s.items = func() []item { return []item{says(m.workLines()...)} }
	m.push(s)
}

// progressLine is what a console without a screen of its own shows while the
// installation goes on. There is a better picture here.
var progressLine = regexp.MustCompile(`^\w+ +\[[#.]+\] `)

// Log adds a line of the log.
func (m *Model) Log(t string) {
	if m.job == nil {
		return
	}
	for l := range strings.Lines(t) {
		if l = strings.TrimRight(l, "\n "); l != "" && !progressLine.MatchString(l) {
			m.job.log = append(m.job.log, l)
		}
	}
	m.job.log = m.job.log[max(0, len(m.job.log)-maxLog):]
}

// Progress is told how far the installation is.
func (m *Model) Progress(p plan.Progress) {
	if m.job == nil || p.Phase == "failed" {
		return
	}
	now := m.needs.Now()
	j := m.job
	i := slices.IndexFunc(j.phases, func(x phase) bool { return x.name == p.Phase })
	if i < 0 {
		if n := len(j.phases); n > 0 {
			j.phases[n-1].ended = now
		}
		j.phases, i = append(j.phases, phase{name: p.Phase, began: now}), len(j.phases)
	}
	x := &j.phases[i]
	x.done, x.total = max(x.done, p.Done), max(x.total, p.Total)
	if p.Detail != "" {
		x.detail = p.Detail
	}
}

// logRows is how much of the log is shown.
const logRows = 8

func (m *Model) workLines() []line {
	j, now := m.job, m.needs.Now()
	var out []line
	seen := map[string]bool{}
	for _, p := range j.phases {
		seen[p.name] = true
		out = append(out, p.lines(now)...)
	}
	for _, name := range knownPhases() {
		if !seen[name] {
			out = append(out, text(plain, "  [ ] "+name))
		}
	}
	out = append(out, line{}, text(bold, "  Log"))
	for _, l := range j.log[max(0, len(j.log)-logRows):] {
		out = append(out, text(plain, "  "+l))
	}
	return out
}

// lines show one phase: a bar while it runs, time and speed when it is over.
func (p phase) lines(now time.Time) []line {
	end, mark, look := p.ended, "[x] ", good
	if end.IsZero() {
		end, mark, look = now, "[>] ", bold
	}
	took := end.Sub(p.began)
	rate := float64(p.done) / 1e6 / max(took.Seconds(), 0.001)
	head := line{{look, "  " + mark + pad(p.name, 10)}}
	switch {
	case p.total > 0 && p.ended.IsZero():
		return []line{
			append(head, span{plain, short(p.detail, contentWidth-16)}),
			{{plain, "      "}, {bold, bar(p.done, p.total, 30)}, {plain, fmt.Sprintf(" %3d%%  %.0f of %.0f MB  %.1f MB/s  %s", min(p.done, p.total)*100/p.total,
				float64(p.done)/1e6, float64(p.total)/1e6, rate, left(p, rate))}},
		}
	case p.total > 0:
		return []line{append(head, span{plain, fmt.Sprintf("%7.1f s  %6.0f MB  %6.1f MB/s", took.Seconds(), float64(p.done)/1e6, rate)})}
	case p.ended.IsZero():
		return []line{append(head, span{plain, fmt.Sprintf("%7.0f s  %s", took.Seconds(), short(p.detail, 50))})}
	default:
		return []line{append(head, span{plain, fmt.Sprintf("%7.1f s", took.Seconds())})}
	}
}

func bar(done, total int64, width int) string {
	full := int(min(done, total) * int64(width) / max(total, 1))
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}

// left is how long it will take still.
func left(p phase, rate float64) string {
	if rate <= 0 {
		return "ETA ?"
	}
	s := time.Duration(float64(p.total-p.done) / 1e6 / rate * float64(time.Second))
	return "ETA " + s.Round(time.Second).String()
}

// An Outcome is what a person needs after an installation.
type Outcome struct {
	Title string
	Facts []Fact
	Next  string // what to do now
}

// startAfter is how long the last screen stays.
const startAfter = 2 * time.Minute

// Finished shows what was made. then is called when the person has read it,
// or after a while.
func (m *Model) Finished(o Outcome, then func()) {
	m.endJob()
	m.quiet = true
	until := m.needs.Now().Add(startAfter)
	s := &screen{title: o.Title, keys: "Enter start the installed system  Ctrl-L redraw", back: func() {}}
	once := func() Task {
		if s.busy == "" {
			s.busy = "Starting the system"
			then()
		}
		return nil
	}
	s.items = func() []item {
		items := []item{gap(), says(text(good, "  It is installed.")), gap()}
		for _, f := range o.Facts {
			items = append(items, says(factLines(f)...))
		}
		return append(items, gap(), note(plain, ""+o.Next), gap(),
			button("start", fmt.Sprintf("Start it now (by itself in %.0f s)", max(0, until.Sub(m.needs.Now()).Seconds())), once))
	}
	s.beat = func() {
		if !m.needs.Now().Before(until) {
			once()
		}
	}
	m.push(s)
}

func factLines(f Fact) []line {
	const name = 12
	lines := wrapped(plain, f.Value, contentWidth-name)
	if strings.HasPrefix(f.Value, "sha256:") {
		lines = nil
		for _, row := range grouped(f.Value) {
			lines = append(lines, text(plain, row))
		}
	}
	for i := range lines {
		label := ""
		if i == 0 {
			label = f.Name
		}
		lines[i] = append(line{{bold, "  " + pad(label, name)}}, lines[i]...)
	}
	return lines
}

// Failed shows why there is no installation and what can be done.
func (m *Model) Failed(reason, remedy string, again func()) {
	m.endJob()
	m.top().busy = ""
	s := &screen{title: "It did not work"}
	s.items = func() []item {
		items := []item{gap(), note(bad, ""+reason), gap(), note(plain, ""+remedy), gap(),
			button("again", "Go back, change something, try again", func() Task { again(); return nil }),
			button("restart", "Restart the machine", m.choose(Answer{Choice: Restart})),
			button("power off", "Power it off", m.choose(Answer{Choice: PowerOff}))}
		if m.job != nil && len(m.job.log) > 0 {
			items = append(items, button("log", "Show the log", m.show(func() *screen { return textScreen("Log", strings.Join(m.job.log, "\n")) })))
		}
		return items
	}
	s.back = func() { again() }
	m.push(s)
}

func (m *Model) endJob() {
	if m.job != nil {
		m.job.over = true
	}
}

// Again takes the conversation up where it ended.
func (m *Model) Again() {
	m.stack = m.stack[:max(1, min(m.asked, len(m.stack)))]
	m.top().busy = ""
}
