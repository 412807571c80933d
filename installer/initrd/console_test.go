package initrd

import (
	"bytes"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConsoleYields(t *testing.T) {
	var screen, instead bytes.Buffer
	c := &Console{outs: []io.Writer{&screen}}
	c.Printf("one")
	c.mu.Lock() // not Yield, which quiets the kernel of this host
	c.instead = &instead
	c.mu.Unlock()
	c.Printf("two")
	c.mu.Lock()
	c.instead = nil
	c.mu.Unlock()
	c.Printf("three")
	if d := cmp.Diff("one\nthree\n", screen.String()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff("two\n", instead.String()); d != "" {
		t.Error(d)
	}
}

func TestTerminalsOfConsoles(t *testing.T) {
	c := &Console{names: []string{"tty0", "ttyS0"}}
	if d := cmp.Diff([]string{"tty1", "ttyS0"}, c.Terminals()); d != "" {
		t.Error(d)
	}
}
