package machine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// logFile is the serial log in the machine's directory. It holds all that the
// machine ever said, over all of its lives.
const logFile = "serial.log"

// maxLine is where a line without an end is cut, in bytes.
const maxLine = 4096

// A console is the serial line: everything is logged, split into lines, and
// shown to whoever looks.
type console struct {
	log   *os.File
	lines func(string)
	seen  atomic.Int64 // bytes

	mu      sync.Mutex
	conn    net.Conn             // guarded by mu; nil while the machine is off
	viewers map[chan []byte]bool // guarded by mu
}

func newConsole(dir string, lines func(string)) (*console, error) {
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("serial log: %w", err)
	}
	return &console{log: log, lines: lines, viewers: make(map[chan []byte]bool)}, nil
}

// connect says which connection typed text goes to; nil: none.
func (c *console) connect(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
}

// read reads the line until the machine's end. Not reading would stop the
// machine, so a full disk costs the log only.
func (c *console) read(conn net.Conn) error {
	defer conn.Close()
	defer c.connect(nil)
	var failed error
	var partial []byte
	buf := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			c.seen.Add(int64(n))
			if _, werr := c.log.Write(buf[:n]); werr != nil && failed == nil {
				failed = fmt.Errorf("serial log: %w", werr)
			}
			c.show(buf[:n])
			partial = c.split(append(partial, buf[:n]...))
		}
		if err != nil {
			return failed
		}
	}
}

// split hands on whole lines and returns the rest.
func (c *console) split(text []byte) []byte {
	for {
		end := bytes.IndexAny(text, "\r\n")
		if end < 0 && len(text) > maxLine {
			end = maxLine
		}
		if end < 0 {
			return text
		}
		if line := printable(text[:end]); line != "" && c.lines != nil {
			c.lines(line)
		}
		text = text[min(end+1, len(text)):]
	}
}

// printable drops colours, cursor movements and other control characters.
func printable(text []byte) string {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == 0x1b && i+1 < len(text) && text[i+1] == '[':
			for i += 2; i < len(text) && (text[i] < '@' || text[i] > '~'); i++ {
			}
		case b == 0x1b:
			i++
		case b >= ' ' && b != 0x7f || b == '\t':
			out = append(out, b)
		}
	}
	return string(bytes.TrimSpace(out))
}

// show hands text to the viewers. One that does not keep up loses some.
func (c *console) show(text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.viewers) == 0 {
		return
	}
	text = bytes.Clone(text)
	for v := range c.viewers {
		select {
		case v <- text:
		default:
		}
	}
}

// attach shows the line to a viewer and types what it sends, until one of
// them ends.
func (c *console) attach(viewer io.ReadWriter) error {
	texts := make(chan []byte, 256)
	c.mu.Lock()
	c.viewers[texts] = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.viewers, texts)
		c.mu.Unlock()
	}()
	done := make(chan error, 1)
	go func() { // ends with the viewer
		_, err := io.Copy(typist{c}, viewer)
		done <- err
	}()
	for {
		select {
		case err := <-done:
			return err
		case text := <-texts:
			if _, err := viewer.Write(text); err != nil {
				return nil // the viewer went away
			}
		}
	}
}

// A typist writes to the machine that is on at the moment.
type typist struct{ c *console }

func (t typist) Write(text []byte) (int, error) {
	t.c.mu.Lock()
	conn := t.c.conn
	t.c.mu.Unlock()
	if conn == nil {
		return 0, errors.New("the machine is off")
	}
	return conn.Write(text)
}
