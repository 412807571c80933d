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
	names []string // of the devices, without /dev/

	mu   sync.Mutex // guards outs and instead
	outs []io.Writer
	// instead takes what is written while something else has the terminals.
	instead io.Writer
}

// OpenConsoles opens the consoles that the kernel line chose, or
// /dev/console where none can be told.
func OpenConsoles() *Console {
	c := &Console{}
	active, err := os.ReadFile("/sys/class/tty/console/active")
	if err == nil {
		for _, name := range strings.Fields(string(active)) {
			c.open(name)
		}
	}
	if len(c.outs) == 0 {
		c.open("console")
	}
	return c
}

// open adds a terminal. One that cannot be opened is left out: there is
// nowhere to complain to yet.
func (c *Console) open(name string) {
	f, err := os.OpenFile(filepath.Join("/dev", name), os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return
	}
	c.names = append(c.names, name)
	c.outs = append(c.outs, f)
}

// Terminals are the devices behind the consoles that a person can type at, by
// their names without /dev/.
func (c *Console) Terminals() []string {
	var out []string
	for _, n := range c.names {
		if n == "tty0" { // whichever screen is shown, and it is the first
			n = "tty1"
		}
		out = append(out, n)
	}
	return out
}

// Write writes to all consoles. A console that fails (a serial port that is
// not there) does not keep the text from the others.
func (c *Console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	outs := c.outs
	if c.instead != nil {
		outs = []io.Writer{c.instead}
	}
	for _, w := range outs {
		if _, err := w.Write(p); err != nil {
			continue
		}
	}
	return len(p), nil
}

// printkFile holds the level up to which the kernel writes to the consoles
// itself.
const printkFile = "/proc/sys/kernel/printk"

// Yield leaves the terminals to somebody else: what is written goes to w, and
// the kernel keeps its messages (but for a panic) to its log. The function
// that it returns takes them back.
func (c *Console) Yield(w io.Writer) (back func()) {
	c.mu.Lock()
	c.instead = w
	c.mu.Unlock()
	before, err := os.ReadFile(printkFile)
	if err == nil {
		err = os.WriteFile(printkFile, []byte("1"), 0)
	}
	return func() {
		c.mu.Lock()
		c.instead = nil
		c.mu.Unlock()
		if err != nil {
			return
		}
		if err := os.WriteFile(printkFile, before, 0); err != nil {
			c.Printf("kernel messages stay off: %v", err)
		}
	}
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
