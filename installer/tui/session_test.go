package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/tui/wizard"
)

// A tty is the far end of a terminal: the keyboard, and what came to the
// screen.
type tty struct {
	t    *testing.T
	near *Terminal
	far  *os.File

	mu   sync.Mutex // guards seen
	seen bytes.Buffer
}

// newTTY makes a pseudo terminal.
func newTTY(t *testing.T, name, kind string, width, height int) *tty {
	t.Helper()
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	var n int
	control(t, far, func(fd int) error {
		if n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN); err != nil {
			return err
		}
		return unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	})
	near, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	x := &tty{t: t, far: far, near: &Terminal{Name: name, Kind: kind, File: near}}
	if width > 0 {
		x.resize(width, height)
	}
	go x.read()
	t.Cleanup(func() { near.Close(); far.Close() })
	return x
}

// control does something with a file's descriptor. The file's own Fd would
// make reading from it block, also when it is closed.
func control(t *testing.T, f *os.File, do func(fd int) error) {
	t.Helper()
	c, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var inner error
	err = c.Control(func(fd uintptr) { inner = do(int(fd)) })
	if err = errors.Join(err, inner); err != nil {
		t.Fatal(err)
	}
}

func (x *tty) resize(width, height int) {
	x.t.Helper()
	control(x.t, x.far, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)})
	})
}

func (x *tty) read() {
	b := make([]byte, 4096)
	for {
		n, err := x.far.Read(b)
		if err != nil {
			return
		}
		x.mu.Lock()
		x.seen.Write(b[:n])
		x.mu.Unlock()
	}
}

func (x *tty) press(keys string) {
	x.t.Helper()
	if _, err := x.far.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

// shows waits until a picture that is drawn anew has the text.
func (x *tty) shows(text string) {
	x.t.Helper()
	const patience = time.Minute
	for end := time.Now().Add(patience); time.Now().Before(end); {
		x.mu.Lock()
		x.seen.Reset()
		x.mu.Unlock()
		x.press("\x0c") // Ctrl-L
		for range 20 {
			time.Sleep(20 * time.Millisecond)
			x.mu.Lock()
			has := strings.Contains(x.seen.String(), text)
			x.mu.Unlock()
			if has {
				return
			}
		}
	}
	x.t.Fatalf("the terminal %s never shows %q, but %q", x.near.Name, text, x.seen.String())
}

func start(t *testing.T, inv plan.Inventory, left *[]wizard.Choice, terms ...*tty) *Session {
	t.Helper()
	o := Options{Needs: wizard.Needs{Version: "1", Inventory: inv}, Log: slog.New(slog.DiscardHandler),
		Leave: func(c wizard.Choice) { *left = append(*left, c) }}
	for _, x := range terms {
		o.Terminals = append(o.Terminals, x.near)
	}
	s := Start(t.Context(), o)
	t.Cleanup(s.Close)
	return s
}

func bare() plan.Inventory {
	return plan.Inventory{Machine: "m", Vendor: "QEMU", NICs: []plan.NIC{{Name: "eth0", MAC: "52:54:00:00:00:0a", Link: true}},
		Disks: []plan.Disk{{Path: "/dev/vda", Size: 20 << 30, Serial: "disk0"}}}
}

// TestTwoTerminals: both show the same, one drives, the other takes over.
func TestTwoTerminals(t *testing.T) {
	screen, serial := newTTY(t, "tty1", "linux", 100, 30), newTTY(t, "ttyS0", "vt220", 0, 0)
	var left []wizard.Choice
	s := start(t, bare(), &left, screen, serial)
	screen.shows("press a key here")
	serial.shows("press a key here")
	serial.press("\r") // wakes it, and does nothing
	serial.shows("What shall become of this machine?")
	screen.shows("ttyS0 drives, Ctrl-G takes over")
	serial.press("\r")
	serial.shows("New cloud, 1 of 5")
	screen.shows("New cloud, 1 of 5")
	screen.press("\x1b[B\x1b[B\r\r") // nobody listens
	screen.press("\x07")
	screen.shows("New cloud, 1 of 5")
	serial.shows("tty1 drives, Ctrl-G takes over")
	screen.press("\x1b")
	serial.shows("What shall become of this machine?")
	screen.resize(132, 43)
	screen.shows("\x1b[43") // the last row is used

	// The rest is Enter, a key that is pasted, and yes.
	screen.press("\r")
	screen.shows("1 of 5")
	for _, next := range []string{"2 of 5", "3 of 5", "4 of 5", "5 of 5"} {
		screen.press(strings.Repeat("\x1b[B", 12) + "\r")
		screen.shows(next)
	}
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBS6W3hHQpXgtyeMyD5eWi3lqZ1b7cOqOHkPXhVUAmrN ops@laptop"
	screen.press(key + "\r")
	screen.shows("ops@laptop")
	screen.press(strings.Repeat("\x1b[B", 12) + "\r")
	a, err := s.Ask(t.Context())
	if err != nil || a.Choice != wizard.Found || !bytes.Contains(a.Rack, []byte(key)) {
		t.Errorf("answered %+v, %v", a, err)
	}
	if len(left) > 0 {
		t.Errorf("somebody left: %v", left)
	}
}

// TestATerminalThatFailsLeavesTheOther as it is.
func TestATerminalThatFailsLeavesTheOther(t *testing.T) {
	screen, serial := newTTY(t, "tty1", "linux", 80, 24), newTTY(t, "ttyS0", "vt220", 0, 0)
	var left []wizard.Choice
	s := start(t, bare(), &left, screen, serial)
	serial.shows("press a key here")
	serial.far.Close() // the line hangs up
	screen.shows("press a key here")
	screen.press("\x1b[B")
	screen.shows("tty1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Ask(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	screen.far.Close()
	if _, err := s.Ask(t.Context()); !errors.Is(err, ErrNoTerminal) {
		t.Errorf("got %v, want %v", err, ErrNoTerminal)
	}
}

// TestGarbageOnTheLine: whatever a line says, the screen goes on.
func TestGarbageOnTheLine(t *testing.T) {
	screen, serial := newTTY(t, "tty1", "linux", 80, 24), newTTY(t, "ttyS0", "vt220", 0, 0)
	var left []wizard.Choice
	start(t, bare(), &left, screen, serial)
	screen.shows("press a key here")
	seed := uint32(7)
	b := make([]byte, 1<<14)
	for i := range b {
		seed = seed*1664525 + 1013904223
		b[i] = byte(seed >> 24)
		if b[i] == 7 || b[i] == '\r' || b[i] == '\n' || b[i] == ' ' { // it would be somebody, by pure chance
			b[i] = 0xff
		}
	}
	serial.press(string(b))
	serial.press("\x1b[200~never closed \x1b]0;\x1bP+q\x1b[999999999;99999999H\x1b[<0;0;0M")
	screen.press("\x07")
	screen.shows(" tty1 ")
	screen.press("\x1b\x1b\x1b")
	screen.shows("What shall become of this machine?")
}

// TestPlainWriter: what old terminals would print does not get to them.
func TestPlainWriter(t *testing.T) {
	for in, want := range map[string]string{
		"a\x1b[>4;2mb\x1b[=1;1uc\x1b[?ud": "abcd",
		"\x1b[?25l\x1b[7mx\x1b[0m":        "\x1b[?25l\x1b[7mx\x1b[0m",
		"\x1b[<u\x1b[3;4H\x1b":            "\x1b[3;4H\x1b",
		"\x1b[":                           "\x1b[",
		"\x1b[>":                          "\x1b[>",
	} {
		var out bytes.Buffer
		n, err := plainWriter{&out}.Write([]byte(in))
		if err != nil || n != len(in) || out.String() != want {
			t.Errorf("%q became %q (%d, %v), want %q", in, out.String(), n, err, want)
		}
	}
}
