package wizard

import (
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// A Key is a key that was pressed. Name is like "enter", "up", "ctrl+c",
// "shift+tab" or the character; Text is what it types, if it does.
type Key struct{ Name, Text string }

// A Model is a conversation. It is not safe for use by several goroutines.
type Model struct {
	// Driver names the terminal whose keys count, for the first row.
	Driver string

	needs  Needs
	a      answers
	links  map[string]Link
	stack  []*screen
	beat   int // seconds, for what moves
	answer func(Answer)
	asked  int // screens there were when the conversation ended
	job    *job
	def    plan.Management // defaults of a rack.yaml with the network defOf
	defOf  string
	quiet  bool // nobody has pressed a key yet
	began  time.Time
}

// New begins a conversation. answer is called when it comes to its end, and
// again when it is taken up and ends anew.
func New(n Needs, answer func(Answer)) *Model {
	if n.Now == nil {
		n.Now = time.Now
	}
	m := &Model{needs: n, answer: answer, a: firstAnswers(n.Inventory), links: map[string]Link{}, quiet: true, began: n.Now()}
	for _, c := range n.Inventory.NICs {
		m.links[c.MAC] = Link{Up: c.Link, Mbps: c.SpeedMbps, LLDP: c.LLDP}
	}
	m.push(m.start())
	return m
}

func (m *Model) top() *screen { return m.stack[len(m.stack)-1] }

func (m *Model) push(s *screen) { m.stack = append(m.stack, s) }

// back gives up waiting for what is under way, or shows the screen before.
func (m *Model) back() {
	s := m.top()
	if s.busy != "" && s.running {
		s.turn, s.busy = s.turn+1, ""
		s.say(warn, "Not waited for any longer")
		return
	}
	if s.back != nil {
		s.back()
		return
	}
	if len(m.stack) > 1 {
		m.stack = m.stack[:len(m.stack)-1]
		m.top().busy = ""
	}
}

// Press is told a key. The task that it returns, if any, is to be run.
func (m *Model) Press(k Key) Task {
	m.quiet = false
	s := m.top()
	switch k.Name {
	case "ctrl+c":
		m.leave()
		return nil
	case "esc", "ctrl+b":
		m.back()
		return nil
	}
	if s.busy != "" {
		return nil
	}
	s.say(plain, "")
	i, _ := s.focused()
	if i.kind == kindInput && m.typed(s, i, k) {
		return nil
	}
	return m.moveOrAct(s, i, k)
}

// typed changes the input with the focus.
func (m *Model) typed(s *screen, i item, k Key) bool {
	delete(s.faults, i.id)
	if k.Text != "" {
		s.insert(i.value, k.Text)
		return true
	}
	return s.edit(i.value, k.Name)
}

// page is how many items Page Down goes on.
const page = 10

func (m *Model) moveOrAct(s *screen, i item, k Key) Task {
	switch k.Name {
	case "down", "tab", "ctrl+n":
		s.move(1)
	case "up", "shift+tab", "ctrl+p":
		s.move(-1)
	case "pgdown":
		s.move(page)
	case "pgup":
		s.move(-page)
	case "space", " ":
		if i.kind == kindRadio || i.kind == kindCheck || i.kind == kindButton {
			return i.act()
		}
	case "enter":
		return m.enter(s, i)
	}
	return nil
}

// enter does what the item does, or goes on: to the next input, or to the
// next screen.
func (m *Model) enter(s *screen, i item) Task {
	switch i.kind {
	case kindButton:
		return i.act()
	case kindRadio:
		if t := i.act(); t != nil {
			return t
		}
	case kindInput:
		if i.act != nil && *i.value != "" {
			return i.act()
		}
		if all := s.stops(); s.next != nil {
			_, at := s.focused()
			if at+1 < len(all) && all[at+1].kind == kindInput {
				s.move(1)
				return nil
			}
		}
	}
	if s.next == nil {
		return nil
	}
	s.faults = nil
	return s.next()
}

// Paste is told text that was pasted: what ends a line is Enter.
func (m *Model) Paste(t string) Task {
	var last Task
	for i, l := range strings.Split(strings.ReplaceAll(t, "\r\n", "\n"), "\n") {
		if i > 0 {
			last = m.Press(Key{Name: "enter"})
		}
		if l != "" {
			m.Press(Key{Text: l})
		}
	}
	return last
}

// Apply is told what came of a task.
func (m *Model) Apply(r Result) {
	if r != nil {
		r(m)
	}
}
