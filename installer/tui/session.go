package tui

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/tui/wizard"
)

// Options of [Start].
type Options struct {
	Needs     wizard.Needs
	Terminals []*Terminal
	// Leave restarts the machine or switches it off, at once.
	Leave func(wizard.Choice)
	Log   *slog.Logger
}

// A Session is a conversation on all terminals. Its methods may be called by
// anybody; those that ask a person wait for the answer.
type Session struct {
	ctx   context.Context
	stop  context.CancelFunc
	o     Options
	ended chan struct{} // closed when no terminal is left

	answers chan wizard.Answer

	mu     sync.Mutex    // guards what follows
	model  *wizard.Model //
	driver *view         // whose keys count; nil before the first
	views  []*view       // set before anything runs
}

// ErrNoTerminal means that nobody can be asked.
var ErrNoTerminal = errors.New("no terminal works: neither the screen nor a serial line")

// Start shows the first screen. Close ends the session.
func Start(ctx context.Context, o Options) *Session {
	s := &Session{o: o, ended: make(chan struct{}), answers: make(chan wizard.Answer, 1)}
	s.ctx, s.stop = context.WithCancel(ctx)
	s.model = wizard.New(o.Needs, s.answered)
	for _, t := range o.Terminals {
		s.views = append(s.views, newView(s, t))
	}
	go s.show()
	go s.beat()
	return s
}

// show runs all terminals. One that fails leaves the others alone.
func (s *Session) show() {
	var all sync.WaitGroup
	for _, v := range s.views {
		all.Go(func() {
			if err := v.run(); err != nil {
				s.o.Log.Warn("terminal", "name", v.term.Name, "error", err)
			}
		})
	}
	all.Wait()
	close(s.ended)
}

// Close gives the terminals back.
func (s *Session) Close() {
	for _, v := range s.views {
		v.prog.Quit()
	}
	const patience = 2 * time.Second // a serial line may be stuck
	select {
	case <-s.ended:
	case <-time.After(patience):
	}
	s.stop()
}

// answered is called by the model, with the lock held.
func (s *Session) answered(a wizard.Answer) {
	if a.Choice == wizard.Restart || a.Choice == wizard.PowerOff {
		go s.o.Leave(a.Choice)
		return
	}
	select {
	case s.answers <- a:
	default: // nobody has taken the last one: the person is quicker than we are
	}
}

// linksEvery is how often the state of the cards is looked at.
const linksEvery = 2 // seconds

// beat tells the model of the time, and of cables that are plugged in.
func (s *Session) beat() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		var links map[string]wizard.Link
		if n%linksEvery == 0 && s.o.Needs.Links != nil {
			var err error
			if links, err = s.o.Needs.Links(s.ctx); err != nil {
				s.o.Log.Debug("links", "error", err)
			}
		}
		s.change(func(m *wizard.Model) {
			m.Beat()
			if links != nil {
				m.SetLinks(links)
			}
		})
	}
}

// change does something to the model and has every terminal show it.
func (s *Session) change(do func(*wizard.Model)) {
	s.mu.Lock()
	do(s.model)
	s.mu.Unlock()
	for _, v := range s.views {
		v.old()
	}
}

// takeOver is the key that makes a terminal the one that drives.
const takeOver = "ctrl+g"

// press is told a key of a terminal. It says whether the terminal is to be
// drawn anew, because somebody has just come to it.
func (s *Session) press(v *view, k wizard.Key) bool {
	s.mu.Lock()
	first := s.driver == nil || s.driver != v && k.Name == takeOver
	if first {
		s.driver = v
	}
	mine := s.driver == v
	s.mu.Unlock()
	// Whoever comes to a dark serial line presses Enter to see something.
	wakes := first && (k.Name == "enter" || k.Name == "space" || k.Name == takeOver)
	if mine && !wakes {
		s.change(func(m *wizard.Model) { s.run(m.Press(k)) })
	} else {
		s.change(func(*wizard.Model) {})
	}
	return first
}

func (s *Session) paste(v *view, text string) {
	s.change(func(m *wizard.Model) {
		if s.driver == v {
			s.run(m.Paste(text))
		}
	})
}

// run has a task done.
func (s *Session) run(t wizard.Task) {
	if t == nil {
		return
	}
	go func() { // ends with the task
		r := t(s.ctx)
		s.change(func(m *wizard.Model) { m.Apply(r) })
	}()
}

// picture is what a terminal shows.
func (s *Session) picture(v *view, width, height int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.driver {
	case nil:
		s.model.Driver = "press a key here"
	case v:
		s.model.Driver = v.term.Name
	default:
		s.model.Driver = fmt.Sprintf("%s drives, Ctrl-G takes over", s.driver.term.Name)
	}
	return s.model.View(width, height, true)
}

// Ask waits for the end of the conversation.
func (s *Session) Ask(ctx context.Context) (wizard.Answer, error) { return wait(ctx, s, s.answers) }

func wait[T any](ctx context.Context, s *Session, from <-chan T) (T, error) {
	var none T
	select {
	case a := <-from:
		return a, nil
	case <-s.ended:
		return none, ErrNoTerminal
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// Again takes the conversation up where it ended.
func (s *Session) Again() { s.change(func(m *wizard.Model) { m.Again() }) }

// Begin shows an installation.
func (s *Session) Begin(title string) { s.change(func(m *wizard.Model) { m.Begin(title) }) }

// Write adds to the log of the installation.
func (s *Session) Write(b []byte) (int, error) {
	s.change(func(m *wizard.Model) { m.Log(string(b)) })
	return len(b), nil
}

// Progress shows how far the installation is.
func (s *Session) Progress(p plan.Progress) { s.change(func(m *wizard.Model) { m.Progress(p) }) }

// Confirm shows a plan and asks whether it may be carried out. rack is the
// text that it came from, or empty.
func (s *Session) Confirm(ctx context.Context, p plan.Plan, rack []byte) (bool, error) {
	said := make(chan bool, 1)
	s.change(func(m *wizard.Model) { m.Confirm(p, rack, func(yes bool) { said <- yes }) })
	return wait(ctx, s, said)
}

// Finished shows what was made, until a person has read it or for a while.
func (s *Session) Finished(ctx context.Context, o wizard.Outcome) error {
	read := make(chan struct{})
	s.change(func(m *wizard.Model) { m.Finished(o, func() { close(read) }) })
	_, err := wait(ctx, s, read)
	return err
}

// Failed shows why there is no installation, until a person wants to try
// again.
func (s *Session) Failed(ctx context.Context, reason, remedy string) error {
	again := make(chan struct{}, 1)
	s.change(func(m *wizard.Model) {
		m.Failed(reason, remedy, func() {
			select {
			case again <- struct{}{}:
			default:
			}
		})
	})
	_, err := wait(ctx, s, again)
	return err
}
