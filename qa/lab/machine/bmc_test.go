package machine

import (
	"bufio"
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBMC(t *testing.T) {
	b := &BMC{Address: netip.MustParseAddr("10.20.160.161"), MAC: "52:54:00:00:00:aa"}
	ours, theirs := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- b.serve(theirs) }()
	r := bufio.NewReader(ours)
	ask := func(m ...byte) []byte {
		t.Helper()
		if _, err := ours.Write(frame(append(m, -sum(m)))); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for mask := byte(0); ; {
			c, err := r.ReadByte()
			switch {
			case err != nil:
				t.Fatal(err)
			case c == endOfMessage:
				return got
			case c == escapeNext:
				mask = escaped
				continue
			}
			got = append(got, c&^mask)
			mask = 0
		}
	}
	if _, err := ours.Write([]byte{0xff, 1, endOfCommand, 1, 2, 3, 4, endOfMessage}); err != nil { // a version, and nonsense
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ ask, want []byte }{
		"device":          {[]byte{7, 6 << 2, 1}, []byte{7, 7 << 2, 1, 0, 0x20, 1, 1, 0, 2, 0, 0, 0, 0, 0, 0}},
		"channel":         {[]byte{8, 6 << 2, 0x42, 1}, []byte{8, 7 << 2, 0x42, 0, 1, 4, 1, 0x80, 0xf2, 0x1b, 0, 0, 0}},
		"no channel":      {[]byte{9, 6 << 2, 0x42, 2}, []byte{9, 7 << 2, 0x42, 0xcc}},
		"address":         {[]byte{0xa0, 0x0c << 2, 2, 1, 3, 0, 0}, []byte{0xa0, 0x0d << 2, 2, 0, 0x11, 10, 20, 160, 161}},
		"MAC":             {[]byte{11, 0x0c << 2, 2, 1, 5, 0, 0}, []byte{11, 0x0d << 2, 2, 0, 0x11, 0x52, 0x54, 0, 0, 0, 0xaa}},
		"no parameter":    {[]byte{12, 0x0c << 2, 2, 1, 56, 0, 0}, []byte{12, 0x0d << 2, 2, 0x80}},
		"unknown command": {[]byte{13, 6 << 2, 0x99}, []byte{13, 7 << 2, 0x99, 0xc1}},
		"set enables":     {[]byte{14, 6 << 2, 0x2e, 1}, []byte{14, 7 << 2, 0x2e, 0}},
		"flags":           {[]byte{15, 6 << 2, 0x31}, []byte{15, 7 << 2, 0x31, 0, 0}},
	} {
		got := ask(c.ask...)
		if sum(got) != 0 {
			t.Errorf("%s: the sum of % x is not 0", name, got)
		}
		if d := cmp.Diff(c.want, bytes.TrimSuffix(got, got[len(got)-1:])); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	ours.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
