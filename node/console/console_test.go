package console

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if got, err := Tail(path, 0); err != nil || len(got) != 0 {
		t.Errorf("of nothing: got %q, %v", got, err)
	}
	if err := os.WriteFile(path+old, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("three\nfour\nfi"), 0o600); err != nil {
		t.Fatal(err)
	}
	for lines, want := range map[int]string{
		0: "one\ntwo\nthree\nfour\nfi", 1: "fi", 2: "four\nfi", 4: "two\nthree\nfour\nfi", 100: "one\ntwo\nthree\nfour\nfi",
	} {
		if got, err := Tail(path, lines); err != nil || string(got) != want {
			t.Errorf("%d lines: got %q, %v, want %q", lines, got, err, want)
		}
	}
}

func TestBound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range 40 {
		fmt.Fprintf(f, "%s%d\n", strings.Repeat("x", 100<<10), i)
		if err := Bound(path); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Tail(path, 0)
	if err != nil || len(got) > 2*keep+200<<10 || !bytes.HasSuffix(got, []byte("x39\n")) {
		t.Errorf("kept %d bytes, %v", len(got), err)
	}
}

// terminal makes a pseudo terminal and returns both of its ends.
func newTerminal(t *testing.T) (*os.File, string) {
	t.Helper()
	m, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo terminals: %v", err)
	}
	t.Cleanup(func() { m.Close() })
	if err := unix.IoctlSetPointerInt(int(m.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(m.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return m, fmt.Sprint("/dev/pts/", n)
}

func TestKeeperCopies(t *testing.T) {
	master, name := newTerminal(t)
	path := filepath.Join(t.TempDir(), "log")
	k := NewKeeper(slog.New(slog.DiscardHandler))
	k.Follow("g", name, path)
	k.Follow("g", name, path)
	if _, err := master.WriteString("hello\nworld\n"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		got, err := Tail(path, 0)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) == "hello\nworld\n" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("got %q", got)
		}
	}
	k.Forget("g")
	k.Forget("g")
	k.Follow("g", name, path)
	k.Close()
}
