package person

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func shown(text string) string {
	s := newScreen()
	for _, b := range []byte(text) { // however it is cut
		s.write(string(b))
	}
	return strings.TrimRight(s.String(), "\n")
}

func TestScreen(t *testing.T) {
	for in, want := range map[string]string{
		"one\r\ntwo":                                 "one\ntwo",
		"\x1b[2;3Hx\x1b[Ay\x1b[2Dz":                  "  zy\n  x",
		"\x1b[7mbold\x1b[0m\x1b[?25l\x1b[>4;2mplain": "boldplain",
		"abcdef\x1b[3D\x1b[K\r\n\x1b[2X":             "abc",
		"abcdef\r\x1b[2X\x1b[5G\x1b[1K":              "     f",
		"a\r\nb\r\nc\x1b[2;1H\x1b[J":                 "a",
		"a\r\nb\x1b[2J":                              "",
		"a\r\nb\r\nc\x1b[1;2r\x1b[2;1H\nx":           "b\nx\nc",
		"a\r\nb\r\nc\x1b[1;2r\x1b[1;1H\x1bMx":        "x\na\nc",
		strings.Repeat("x", 81) + "\by":              strings.Repeat("x", 79) + "y",
		"\x1b]junk":                                  "junk",
		"a\tb\x1b7c\r\x1b8d\x1bEe":                   "a       bd\ne",
		"ab\x1b[3b":                                  "abbbb",
		"a\r\nb\r\nc\x1b[2;1H\x1b[Lx":                "a\nx\nb\nc",
		"a\r\nb\r\nc\x1b[1;1H\x1b[2M":                "c",
		"a\r\nb\r\nc\x1b[1;2r\x1b[S":                 "b\n\nc",
		"a\r\nb\r\nc\x1b[1;2r\x1b[T":                 "\na\nc",
		"abcdef\x1b[3G\x1b[2P":                       "abef",
		"abcdef\x1b[3G\x1b[2@":                       "ab  cdef",
	} {
		if d := cmp.Diff(want, shown(in)); d != "" {
			t.Errorf("%q: %s", in, d)
		}
	}
}

func TestAPersonSeesAndChooses(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	items := []string{"apple", "pear", "plum"}
	at := 0
	draw := func() {
		var b strings.Builder
		b.WriteString("\x1b[H\x1b[2J")
		for i, item := range items {
			if i == at {
				b.WriteString("> " + item + "\r\n")
				continue
			}
			b.WriteString("  " + item + "\r\n")
		}
		_, _ = io.WriteString(theirs, b.String())
	}
	go func() {
		draw()
		for b := make([]byte, 16); ; {
			n, err := theirs.Read(b)
			if err != nil {
				return
			}
			switch string(b[:n]) {
			case Down:
				at = min(at+1, len(items)-1)
			case Up:
				at = max(at-1, 0)
			}
			draw()
		}
	}()
	p := Sit(ours, func(context.Context) (any, error) { return 1, nil })
	p.KeyPatience = time.Second
	if err := p.See(t.Context(), "apple", "plum"); err != nil {
		t.Fatal(err)
	}
	for _, item := range []string{"plum", "apple"} {
		if err := p.Choose(t.Context(), item); err != nil || !strings.Contains(marked(p.Screen()), item) {
			t.Errorf("%v:\n%s", err, p.Screen())
		}
	}
	if err := p.Choose(t.Context(), "cherry"); err == nil {
		t.Error("an item that is not there was chosen")
	}
}
