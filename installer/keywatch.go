package installer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// askKey is the key that stops an unattended installation before it begins.
// A letter, since a serial line without anybody at its end may well say Enter
// or send a cursor key of its own.
const askKey = 'i'

// askWindow is how long there is for pressing it, from the start of the
// installer on. Looking for the medium takes longer most of the time.
const askWindow = 5 * time.Second

// A keyWatch waits for a person at any terminal.
type keyWatch struct {
	files []*os.File
	saved []*unix.Termios
	end   time.Time
}

// watchKeys begins to wait. Its stop gives the terminals back.
func (m *machine) watchKeys() *keyWatch {
	w := &keyWatch{end: time.Now().Add(askWindow)}
	for _, name := range m.console.Terminals() {
		f, err := os.OpenFile(filepath.Join("/dev", name), os.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		saved, err := oneKey(f)
		if err != nil {
			m.log.Info("no keys from there", "terminal", name, "error", err)
			f.Close()
			continue
		}
		w.files, w.saved = append(w.files, f), append(w.saved, saved)
	}
	if len(w.files) > 0 {
		m.say("press %c within %s to be asked, whatever rack.yaml says", askKey, askWindow)
	}
	return w
}

// oneKey makes a terminal give out keys as they come, and forget what came
// before.
func oneKey(f *os.File) (*unix.Termios, error) {
	saved, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return nil, err
	}
	now := *saved
	now.Lflag &^= unix.ICANON | unix.ECHO
	now.Cc[unix.VMIN], now.Cc[unix.VTIME] = 0, 0
	return saved, errors.Join(unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, &now), unix.IoctlSetInt(int(f.Fd()), unix.TCFLSH, unix.TCIFLUSH))
}

// pressed waits until the time is over. It tells whether somebody wants to be
// asked.
func (w *keyWatch) pressed(ctx context.Context) bool {
	const step = 100 * time.Millisecond
	for len(w.files) > 0 {
		if slices.ContainsFunc(w.files, wants) {
			return true
		}
		if !time.Now().Before(w.end) {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(step):
		}
	}
	return false
}

// wants tells whether the key is among what was typed.
func wants(f *os.File) bool {
	b := make([]byte, 256)
	n, err := unix.Read(int(f.Fd()), b)
	return err == nil && slices.Contains(b[:max(n, 0)], askKey)
}

// stop gives the terminals back as they were.
func (w *keyWatch) stop() {
	for i, f := range w.files {
		if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, w.saved[i]); err == nil {
			f.Close()
		}
	}
	w.files = nil
}
