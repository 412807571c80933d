package initrd

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A Console writes to every console of the machine, so that a person at the
// screen and one at the serial line see the same.
type Console struct {
	mu   sync.Mutex // guards outs
	outs []io.Writer
}

// OpenConsoles opens the consoles that the kernel line chose, or
// /dev/console where none can be told.
func OpenConsoles() *Console {
	c := &Console{}
	active, err := os.ReadFile("/sys/class/tty/console/active")
	if err == nil {
		for _, name := range strings.Fields(string(active)) {
			c.open(filepath.Join("/dev", name))
		}
	}
	if len(c.outs) == 0 {
		c.open("/dev/console")
	}
	return c
}

// open adds a terminal. One that cannot be opened is left out: there is
// nowhere to complain to yet.
func (c *Console) open(path string) {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return
	}
	c.outs = append(c.outs, f)
}

// Write writes to all consoles. A console that fails (a serial port that is
// not there) does not keep the text from the others.
func (c *Console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.outs {
		if _, err := w.Write(p); err != nil {
			continue
		}
	}
	return len(p), nil
}

// Printf writes a line for people.
func (c *Console) Printf(format string, args ...any) {
	if _, err := fmt.Fprintf(c, format+"\n", args...); err != nil {
		return // Write never fails
	}
}

// Logger logs to the kernel's ring buffer, where it survives the change to
// the real root (journald reads it), and shows warnings on the console.
func (c *Console) Logger() *slog.Logger {
	w := io.Discard
	if f, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0); err == nil {
		w = &kmsg{w: f}
	}
	h := slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{} // the kernel stamps the line
		}
		return a
	}})
	return slog.New(h)
}

// kmsg gives each record its own write, of priority "info" of a daemon, and
// no more than the kernel takes.
type kmsg struct{ w io.Writer }

func (k *kmsg) Write(p []byte) (int, error) {
	const limit = 900
	line := append([]byte("<30>cairn: "), p[:min(len(p), limit)]...)
	if _, err := k.w.Write(line); err != nil {
		return 0, fmt.Errorf("kernel log: %w", err)
	}
	return len(p), nil
}
