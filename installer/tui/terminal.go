package tui

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Size of a terminal that does not know its own: that of a VT100.
const (
	defaultWidth  = 80
	defaultHeight = 24
)

// A Terminal is a screen with a keyboard.
type Terminal struct {
	Name string // as people call it: tty1, ttyS0
	Kind string // TERM
	File *os.File
}

// OpenTerminal opens a device: a screen of the kernel (/dev/tty1) or a serial
// line (/dev/ttyS0).
func OpenTerminal(name, kind string) (*Terminal, error) {
	f, err := os.OpenFile("/dev/"+name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("terminal %s: %w", name, err)
	}
	// A port that nothing is behind opens, and fails at the first question.
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != nil {
		return nil, fmt.Errorf("terminal %s: %w", name, err)
	}
	return &Terminal{Name: name, Kind: kind, File: f}, nil
}

// errGone means that a terminal was hung up.
var errGone = errors.New("the terminal is gone")

// size is what the kernel knows of the terminal's size. Serial lines do not
// know theirs.
func (t *Terminal) size() (width, height int, err error) {
	ws, err := unix.IoctlGetWinsize(int(t.File.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return defaultWidth, defaultHeight, fmt.Errorf("%w: %w", errGone, err)
	}
	if ws.Col == 0 || ws.Row == 0 {
		return defaultWidth, defaultHeight, nil
	}
	return int(ws.Col), int(ws.Row), nil
}

// environment is what bubbletea is told. SSH_TTY keeps it from asking the
// terminal questions that old ones print, and the file behind a writer of
// ours has colours all the same.
func (t *Terminal) environment() []string {
	return []string{"TERM=" + t.Kind, "SSH_TTY=" + t.Name, "CLICOLOR_FORCE=1"}
}

// A plainWriter leaves out what terminals older than xterm print as text, or
// take for something else: sequences that set or ask for ways to send keys.
type plainWriter struct{ w io.Writer }

func (p plainWriter) Write(b []byte) (int, error) {
	if _, err := p.w.Write(withoutPrivate(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// withoutPrivate removes CSI sequences whose parameters begin with < = or >,
// and CSI ? u.
func withoutPrivate(b []byte) []byte {
	var out []byte
	for {
		at := bytes.Index(b, []byte("\x1b["))
		if at < 0 {
			return append(out, b...)
		}
		n := sequence(b[at:])
		if seq := b[at : at+n]; !private(seq) {
			out = append(out, b[:at+n]...)
		} else {
			out = append(out, b[:at]...)
		}
		b = b[at+n:]
	}
}

// sequence is the length of the CSI sequence that b begins with (ECMA-48 5.4).
func sequence(b []byte) int {
	n := len("\x1b[")
	for n < len(b) && b[n] < '@' {
		n++
	}
	return min(n+1, len(b))
}

func private(seq []byte) bool {
	if len(seq) < 4 {
		return false
	}
	return bytes.IndexByte([]byte("<=>"), seq[2]) >= 0 || seq[2] == '?' && seq[len(seq)-1] == 'u'
}
