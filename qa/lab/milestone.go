package lab

import (
	"regexp"
	"sync"
	"time"
)

// A milestone is something on a console that says how far a machine is, or
// with an empty phase something that must not be mistaken for one.
type milestone struct {
	phase string
	text  *regexp.Regexp
}

// milestones are what machines of a rack say on their way, in the words of
// firmware, installer (package installer: its phases) and systemd.
func milestones() []milestone {
	m := func(phase, text string) milestone { return milestone{phase, regexp.MustCompile(text)} }
	return []milestone{
		m("firmware", `^SeaBIOS \(version|^BdsDxe: (loading|starting)`),
		m("network boot", `^iPXE \d|^>>Start PXE|iPXE initialising devices`),
		{panicked, kernelPanic},
		m("kernel", `Linux version \d|Decompressing Linux`),
		m("installer", `^cairn: .*install`),
		m("", `^(partition|write|verify|configure|enrol|handover)\s+\d+\.\d`), // the installer's own table, at its end
		m("partition", `^partition\s`),
		m("write", `^write\s`),
		m("verify", `^verify\s`),
		m("configure", `^configure\s`),
		m("enrol", `^enrol\s`),
		m("handover", `^handover\s`),
		m("installed system", `^cairn: booting version`),
		m("systemd", `systemd\[1\]:|^Welcome to (Debian|Cairn)|systemd \d+.* running in system mode`),
		m("login", `\blogin:|^log in: ssh`),
	}
}

// failures are what a console says when the machine will not go on.
func failures() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`CAIRN CANNOT GO ON`),
		regexp.MustCompile(`You are in emergency mode`),
	}
}

// panicked is the phase of a machine whose kernel gave up. It restarts by
// itself after some seconds: with several processors QEMU's translator can
// run an instruction that another processor has just replaced, which kills a
// kernel once in a great many boots.
const panicked = "kernel panic, restarts"

var kernelPanic = regexp.MustCompile(`Kernel panic - not syncing`)

// maxPanics is how many panics of one machine are no chance any more.
const maxPanics = 2

// A Phase is a stretch of a machine's way.
type Phase struct {
	Name  string    `json:"name"`
	Began time.Time `json:"began"`
}

// maxTail is how many lines of a console are kept for showing.
const maxTail = 40

// A story follows one machine's console.
type story struct {
	milestones []milestone
	failures   []*regexp.Regexp
	now        func() time.Time

	mu     sync.Mutex // guards what follows
	phases []Phase
	tail   []string
	failed bool
	times  int // that it failed
	panics int
}

func newStory() *story {
	return &story{milestones: milestones(), failures: failures(), now: time.Now}
}

// begin says that the machine was powered on: what was before is forgotten.
func (s *story) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phases = []Phase{{Name: "power on", Began: s.now()}}
	s.tail, s.failed, s.times, s.panics = nil, false, 0, 0
}

// line takes the next line of the console.
func (s *story) line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tail = append(s.tail, text)
	if len(s.tail) > maxTail {
		s.tail = append(s.tail[:0], s.tail[1:]...)
	}
	for _, f := range s.failures {
		if f.MatchString(text) {
			s.failed = true
			s.times++
		}
	}
	for _, m := range s.milestones {
		if !m.text.MatchString(text) {
			continue
		}
		if m.phase == panicked {
			s.panics++
			s.failed = s.failed || s.panics >= maxPanics
		}
		if n := len(s.phases); m.phase != "" && (n == 0 || s.phases[n-1].Name != m.phase) {
			s.phases = append(s.phases, Phase{Name: m.phase, Began: s.now()})
		}
		return
	}
}

// A Progress is how far a machine is.
type Progress struct {
	Phases []Phase  `json:"phases"`
	Tail   []string `json:"tail"` // the last lines of its console
	Failed bool     `json:"failed"`
	Times  int      `json:"times,omitempty"` // that it failed since power-on
}

func (s *story) progress() Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Progress{Phases: append([]Phase(nil), s.phases...), Tail: append([]string(nil), s.tail...), Failed: s.failed, Times: s.times}
}

// current is the name of the phase that the machine is in.
func (p *Progress) current() string {
	if len(p.Phases) == 0 {
		return "off"
	}
	return p.Phases[len(p.Phases)-1].Name
}

// last is the last line that the console showed.
func (p *Progress) last() string {
	if len(p.Tail) == 0 {
		return ""
	}
	return p.Tail[len(p.Tail)-1]
}
