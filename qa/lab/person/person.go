package person

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// A Person sits at a terminal.
type Person struct {
	line io.ReadWriter
	// Alive tells how much the machine has done so far: as long as it grows a
	// person waits.
	Alive func(context.Context) (any, error)

	// KeyPatience is how long a key may take to move the focus.
	KeyPatience time.Duration

	mu     sync.Mutex // guards what follows
	screen *screen
}

// Sit has somebody sit down at the line. They read until it ends.
func Sit(line io.ReadWriter, alive func(context.Context) (any, error)) *Person {
	p := &Person{line: line, Alive: alive, KeyPatience: 10 * time.Second, screen: newScreen()}
	go p.read()
	return p
}

func (p *Person) read() {
	b := make([]byte, 4096)
	for {
		n, err := p.line.Read(b)
		p.mu.Lock()
		p.screen.write(string(b[:n]))
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Screen is what the terminal shows now.
func (p *Person) Screen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.String()
}

// Type types text, as it is.
func (p *Person) Type(text string) error {
	_, err := io.WriteString(p.line, text)
	return err
}

// Keys of a VT220.
const (
	Enter = "\r"
	Down  = "\x1b[B"
	Up    = "\x1b[A"
)

// patience is how long a machine may do nothing at all.
const patience = 5 * time.Minute

// See waits until the screen shows all of the texts. It gives up when the
// machine has stopped.
func (p *Person) See(ctx context.Context, texts ...string) error {
	var last any
	for since := time.Now(); ; {
		shown := p.Screen()
		missing := ""
		for _, t := range texts {
			if !strings.Contains(shown, t) {
				missing = t
			}
		}
		if missing == "" {
			return nil
		}
		now, err := p.Alive(ctx)
		if err != nil {
			return err
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > patience {
			return fmt.Errorf("nothing happens, and %q is not on the screen:\n%s", missing, shown)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; %q is not on the screen:\n%s", context.Cause(ctx), missing, shown)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// maxSteps is how many keys it takes at most to get to an item.
const maxSteps = 40

// Choose moves to the item that has the text, as a person does: by pressing
// Down until it is marked, then Up.
func (p *Person) Choose(ctx context.Context, text string) error {
	for _, key := range []string{Down, Up} {
		for range maxSteps {
			at := marked(p.Screen())
			if strings.Contains(at, text) {
				return nil
			}
			if err := p.Type(key); err != nil {
				return err
			}
			if !p.moved(ctx, at) {
				break // the end of the list
			}
		}
	}
	return fmt.Errorf("no item %q on the screen:\n%s", text, p.Screen())
}

// marked is the line that the focus is on.
func marked(screen string) string {
	for l := range strings.Lines(screen) {
		if strings.HasPrefix(l, "> ") {
			return l
		}
	}
	return ""
}

// moved waits until the focus is on another line, which a slow machine
// takes its time for. Other lines change by themselves.
func (p *Person) moved(ctx context.Context, from string) bool {
	for end := time.Now().Add(p.KeyPatience); time.Now().Before(end); {
		if at := marked(p.Screen()); at != from && at != "" {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
	return false
}
