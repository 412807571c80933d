package tui

import (
	"errors"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/cairn-cloud/cairn/installer/tui/wizard"
)

// framesPerSecond bounds what a serial line is sent while something moves.
const framesPerSecond = 15

// A view is the session on one terminal.
type view struct {
	s             *Session
	term          *Terminal
	prog          *tea.Program
	width, height int
	changed       chan struct{} // holds one: the picture is old
	anew          bool          // flips when all of it has to be drawn
	err           error         // why it ended
}

// refresh is sent to a program whose picture is old.
type refresh struct{}

func newView(s *Session, t *Terminal) *view {
	v := &view{s: s, term: t, changed: make(chan struct{}, 1)}
	v.width, v.height, v.err = t.size()
	v.prog = tea.NewProgram(v, tea.WithContext(s.ctx), tea.WithInput(t.File), tea.WithOutput(plainWriter{t.File}),
		tea.WithEnvironment(t.environment()), tea.WithWindowSize(v.width, v.height), tea.WithFPS(framesPerSecond),
		tea.WithoutSignalHandler())
	return v
}

// run shows the session until it is closed or the terminal fails.
func (v *view) run() error {
	done := make(chan struct{})
	defer close(done)
	go func() { // ends with run
		for {
			select {
			case <-v.changed:
				v.prog.Send(refresh{})
			case <-done:
				return
			}
		}
	}()
	_, err := v.prog.Run()
	if errors.Is(err, tea.ErrProgramKilled) && v.s.ctx.Err() != nil {
		return nil
	}
	return errors.Join(err, v.err)
}

// old says that the picture is not what it should be. It never waits: a
// serial line may be stuck.
func (v *view) old() {
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

// Init has nothing to do: the session comes first.
func (v *view) Init() tea.Cmd { return nil }

// Update passes keys to the session.
func (v *view) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		if msg.Width > 0 && msg.Height > 0 {
			v.width, v.height = msg.Width, msg.Height
		}
	case refresh:
		var w, h int
		if w, h, v.err = v.term.size(); v.err != nil {
			return v, tea.Quit
		}
		if w != v.width || h != v.height {
			return v, func() tea.Msg { return tea.WindowSizeMsg{Width: w, Height: h} }
		}
	case tea.KeyPressMsg:
		k := keyOf(msg)
		if k.Name == "ctrl+l" || v.s.press(v, k) {
			v.anew = !v.anew
			return v, tea.ClearScreen
		}
	case tea.PasteMsg:
		v.s.paste(v, msg.Content)
	}
	return v, nil
}

// keyOf names a key as the wizard does.
func keyOf(msg tea.KeyPressMsg) wizard.Key {
	k := wizard.Key{Name: msg.Keystroke(), Text: msg.Text}
	switch k.Name {
	case "ctrl+j", "ctrl+m", "kpenter": // what a pasted line ends with
		k = wizard.Key{Name: "enter"}
	}
	return k
}

// View draws what the session shows.
func (v *view) View() tea.View {
	content := strings.Join(v.s.picture(v, v.width, v.height), "\n")
	if v.anew {
		// Bubbletea draws nothing where the text is the same as before, even
		// on a screen that it was told to clear.
		content += "\x1b[0m"
	}
	out := tea.NewView(content)
	out.AltScreen = true
	return out
}
