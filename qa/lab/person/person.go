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

	mu     sync.Mutex // guards what follows
	screen *screen
}

// Sit has somebody sit down at the line. They read until it ends.
func Sit(line io.ReadWriter, alive func(context.Context) (any, error)) *Person {
	p := &Person{line: line, Alive: alive, screen: newScreen()}
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
			if marked(p.Screen(), text) {
				return nil
			}
			before := p.Screen()
			if err := p.Type(key); err != nil {
				return err
			}
			if !p.changed(ctx, before) {
				break // the end of the list
			}
		}
	}
	return fmt.Errorf("no item %q on the screen:\n%s", text, p.Screen())
}

func marked(screen, text string) bool {
	for l := range strings.Lines(screen) {
		if strings.HasPrefix(l, "> ") && strings.Contains(l, text) {
			return true
		}
	}
	return false
}

// changed waits until the screen is another one, for as long as a key can
// take on a slow machine.
func (p *Person) changed(ctx context.Context, before string) bool {
	for range 50 {
		if p.Screen() != before {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
	return false
}
