package machine

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConsoleLogsSplitsAndShows(t *testing.T) {
	dir := t.TempDir()
	var lines []string
	c, err := newConsole(dir, func(l string) { lines = append(lines, l) })
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- c.read(ours) }()

	text := "\x1b[32m[  OK  ]\x1b[0m Reached target\r\n\r\nhalf"
	if _, err := io.WriteString(theirs, text); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(theirs, " a line\n"); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"[  OK  ] Reached target", "half a line"}, lines); d != "" {
		t.Error(d)
	}
	got, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(text+" a line\n", string(got)); d != "" {
		t.Error(d)
	}
}

func TestViewerTypesAndReads(t *testing.T) {
	c, err := newConsole(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ours, machine := net.Pipe()
	c.connect(ours)
	go c.read(ours)
	viewer, far := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- c.attach(far) }()
	if _, err := io.WriteString(viewer, "who"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 3)
	if _, err := io.ReadFull(machine, buf); err != nil || string(buf) != "who" {
		t.Fatalf("the machine reads %q, %v", buf, err)
	}
	if _, err := io.WriteString(machine, "me!"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(viewer, buf); err != nil || string(buf) != "me!" {
		t.Fatalf("the viewer reads %q, %v", buf, err)
	}
	viewer.Close()
	<-done
}
