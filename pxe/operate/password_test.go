package operate

import (
	"io"
	"os"
	"strings"
	"testing"
)

// TestReadPassword gives it by a pipe, as scripts do.
func TestReadPassword(t *testing.T) {
	long := strings.Repeat("x", maxPassword)
	for _, c := range []struct{ in, want, err string }{
		{"secret\n", "secret", ""},
		{" two words \r\n", " two words ", ""},
		{long, long, ""},
		{long + "y", "", "the password has more than 1024 bytes; allowed: at most so many"},
		{"\n", "", "the password is empty; allowed: one on standard input"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(w, c.in)
		if cerr := w.Close(); err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
		got, err := readPassword(r, io.Discard)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%.20q: got %.20q, %v; want %.20q, %s", c.in, got, err, c.want, c.err)
		}
	}
}
