package tftp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// A dialog speaks to a server packet by packet.
type dialog struct {
	t      testing.TB
	conn   *net.UDPConn
	server *net.UDPAddr // where answers go; its port changes with the first one
}

func talk(t testing.TB, addr string) *dialog {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	to, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	return &dialog{t, conn, to}
}

// ask sends a request: its words are ended by zeros.
func (d *dialog) ask(code byte, words ...string) *dialog {
	return d.send(append([]byte{0, code}, strings.Join(words, "\x00")+"\x00"...))
}

func (d *dialog) ack(block int) *dialog { return d.send([]byte{0, 4, byte(block >> 8), byte(block)}) }

func (d *dialog) send(b []byte) *dialog {
	d.t.Helper()
	if _, err := d.conn.WriteToUDP(b, d.server); err != nil {
		d.t.Fatal(err)
	}
	return d
}

// hear is the next packet, as text: the kind, and what matters of it.
func (d *dialog) hear(patience time.Duration) string {
	d.t.Helper()
	if err := d.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		d.t.Fatal(err)
	}
	b := make([]byte, 65536)
	n, from, err := d.conn.ReadFromUDP(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "nothing"
	}
	if err != nil {
		d.t.Fatal(err)
	}
	d.server = from
	b = b[:n]
	switch b[1] {
	case 3:
		return fmt.Sprintf("DATA %d of %d bytes", binary.BigEndian.Uint16(b[2:]), n-4)
	case 5:
		return fmt.Sprintf("ERROR %d %s", b[3], bytes.TrimRight(b[4:], "\x00"))
	case 6:
		return "OACK " + strings.Join(sorted(strings.Split(strings.TrimRight(string(b[2:]), "\x00"), "\x00")), " ")
	}
	return fmt.Sprintf("% x", b)
}

// sorted puts options, which come in any order, in that of their names.
func sorted(words []string) []string {
	if len(words) == 4 && words[0] > words[2] {
		return []string{words[2], words[3], words[0], words[1]}
	}
	return words
}

func (d *dialog) want(want string) *dialog {
	d.t.Helper()
	if got := d.hear(time.Minute); got != want {
		d.t.Errorf("got %q, want %q", got, want)
	}
	return d
}

const file = "undionly.kpxe"

// TestOptions agrees on sizes as RFC 2347 to 2349 have it.
func TestOptions(t *testing.T) {
	addr := start(t, nil).addr
	for _, c := range []struct {
		options []string
		want    string
		data    string // the first packet of it
	}{
		{nil, "DATA 1 of 512 bytes", ""},
		{[]string{"blksize", "1428"}, "OACK blksize 1428", "DATA 1 of 1428 bytes"},
		{[]string{"tsize", "0"}, "OACK tsize 100000", "DATA 1 of 512 bytes"},
		{[]string{"blksize", "1024", "tsize", "0"}, "OACK blksize 1024 tsize 100000", "DATA 1 of 1024 bytes"},
		{[]string{"blksize", "65464"}, "OACK blksize 65464", "DATA 1 of 65464 bytes"},
		{[]string{"blksize", "8"}, "DATA 1 of 512 bytes", ""}, // left out, so the usual size holds
		{[]string{"blksize", "65465"}, "DATA 1 of 512 bytes", ""},
		{[]string{"blksize", "x"}, "DATA 1 of 512 bytes", ""},
		{[]string{"BLKSIZE", "1428"}, "DATA 1 of 512 bytes", ""}, // the library knows small letters alone
		{[]string{"windowsize", "16", "blksize", "600"}, "OACK blksize 600", "DATA 1 of 600 bytes"},
		{[]string{"timeout", "1"}, "DATA 1 of 512 bytes", ""},
	} {
		var d *dialog
		got := ""
		// The size of an interface's packets cannot be read while interfaces come
		// and go on this host; the server is careful then.
		for try := 0; try < 10 && got != c.want; try++ {
			d = talk(t, addr).ask(1, append([]string{file, "octet"}, c.options...)...)
			got = d.hear(time.Minute)
		}
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.options, got, c.want)
			continue
		}
		if c.data != "" {
			d.ack(0).want(c.data)
		}
		d.send([]byte("\x00\x05\x00\x00enough\x00"))
	}
}

// TestDuplicateACK: one that comes twice is answered once, or both ends would
// send everything twice from then on (the sorcerer's apprentice).
func TestDuplicateACK(t *testing.T) {
	d := talk(t, start(t, func(s *Server) { s.timeout = time.Minute }).addr).ask(1, file, "octet")
	d.want("DATA 1 of 512 bytes").ack(1).want("DATA 2 of 512 bytes")
	d.ack(1).ack(1).ack(0)
	d.ack(2).want("DATA 3 of 512 bytes")
	d.ack(9).send([]byte("rubbish")).ack(3).want("DATA 4 of 512 bytes")
	if got := d.hear(200 * time.Millisecond); got != "nothing" {
		t.Errorf("and then %s", got)
	}
}

// TestLostPacket: what is not acknowledged comes again.
func TestLostPacket(t *testing.T) {
	d := talk(t, start(t, func(s *Server) { s.timeout = 200 * time.Millisecond }).addr).ask(1, file, "octet", "tsize", "0")
	d.want("OACK tsize 100000").want("OACK tsize 100000").ack(0)
	d.want("DATA 1 of 512 bytes").want("DATA 1 of 512 bytes").ack(1).want("DATA 2 of 512 bytes")
}

// TestStrangerCannotSteer: packets from another port do not count.
func TestStrangerCannotSteer(t *testing.T) {
	u := start(t, func(s *Server) { s.timeout = time.Minute })
	d, stranger := talk(t, u.addr), talk(t, u.addr)
	d.ask(1, file, "octet").want("DATA 1 of 512 bytes")
	stranger.server = d.server
	stranger.ack(1).send([]byte("\x00\x05\x00\x00stop\x00"))
	if got := d.hear(200 * time.Millisecond); got != "nothing" {
		t.Errorf("a stranger's packet made the server send %s", got)
	}
	d.ack(1).want("DATA 2 of 512 bytes")
}

// TestClientsThatGo: one that vanishes is given up, one that has enough ends
// the transfer at once.
func TestClientsThatGo(t *testing.T) {
	u := start(t, func(s *Server) { s.timeout, s.retries = 50*time.Millisecond, 3 })
	d := talk(t, u.addr).ask(1, file, "octet").want("DATA 1 of 512 bytes").ack(1)
	for range 4 {
		d.want("DATA 2 of 512 bytes")
	}
	if got, want := u.count.await(t, "client-vanished", 1), `client-vanished: 127.0.0.1 after 1024 of 100000 bytes of "undionly.kpxe"`; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	talk(t, u.addr).ask(1, file, "octet", "tsize", "0").want("OACK tsize 100000").send([]byte("\x00\x05\x00\x00enough\x00"))
	u.count.await(t, "broken-off", 1)
}

// TestRefusals has one line for each thing that is refused.
func TestRefusals(t *testing.T) {
	u := start(t, func(s *Server) { s.free = make(chan struct{}, 1); s.timeout = time.Minute })
	long := strings.Repeat("a", 400)
	for i, c := range []struct {
		code  byte
		words []string
		want  string // what the client is told
		said  string // what we count
	}{
		{1, []string{"secret", "octet"}, "ERROR 1 file not found", `not-found: 127.0.0.1 asks for "secret"`},
		{1, []string{"../" + file, "octet"}, "ERROR 1 file not found", `not-found: 127.0.0.1 asks for "../undionly.kpxe"`},
		{1, []string{"//etc/passwd", "octet"}, "ERROR 1 file not found", `not-found: 127.0.0.1 asks for "/etc/passwd"`},
		{1, []string{"..\\secret", "octet"}, "ERROR 1 file not found", `not-found: 127.0.0.1 asks for "..\\secret"`},
		{1, []string{file + "/../secret", "octet"}, "ERROR 1 file not found", `not-found: 127.0.0.1 asks for "undionly.kpxe/../secret"`},
		{1, []string{".", "octet"}, "ERROR 1 file not found", `not-found: 127.0.0.1 asks for "."`},
		{1, []string{"UNDIONLY.KPXE", "octet"}, "ERROR 1 file not found", `not-found: 127.0.0.1 asks for "UNDIONLY.KPXE"`},
		{1, []string{long, "octet"}, "ERROR 1 file not found", `not-found: 127.0.0.1 asks for "` + long + `"`},
		{1, []string{autoexec, "octet"}, "ERROR 1 file not found", "no-autoexec: "},
		{2, []string{file, "octet"}, "ERROR 1 this server takes no files", `write: of "undionly.kpxe"`},
	} {
		talk(t, u.addr).ask(c.code, c.words...).want(c.want)
		reason, _, _ := strings.Cut(c.said, ":")
		n := 1
		if reason == "not-found" {
			n = i + 1
		}
		if got := u.count.await(t, reason, n); got != c.said {
			t.Errorf("%q: said %q, want %q", c.words, got, c.said)
		}
	}
	talk(t, u.addr).ask(1, file, "octet").want("DATA 1 of 512 bytes")
	talk(t, u.addr).ask(1, file, "octet").want("ERROR 1 too many transfers, try again")
	if got, want := u.count.await(t, "busy", 1), `busy: 127.0.0.1 asks for "undionly.kpxe" while 512 transfers run`; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	for n, b := range []string{"", "\x00", "\x00\x09x", "\x00\x04\x00\x00", "\x00\x01no-end"} {
		talk(t, u.addr).send([]byte(b))
		u.count.await(t, "malformed", n+1)
	}
}

// FuzzServer throws first packets at a server, which must go on serving.
func FuzzServer(f *testing.F) {
	addr := start(f, func(s *Server) { s.timeout, s.retries = 10*time.Millisecond, 3 }).addr
	conn, err := net.Dial("udp4", addr)
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Close()
	f.Add([]byte("\x00\x01undionly.kpxe\x00octet\x00blksize\x001428\x00tsize\x000\x00"))
	f.Add([]byte("\x00\x01undionly.kpxe\x00netascii\x00tsize\x00-1\x00"))
	f.Add([]byte("\x00\x02x\x00octet\x00"))
	f.Add([]byte("\x00\x06blksize\x009\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1400 {
			b = b[:1400]
		}
		if _, err := conn.Write(b); err != nil {
			t.Skip("the packet cannot be sent: ", err)
		}
	})
	for end := time.Now().Add(time.Minute); ; { // the server is not patient here
		got, _, err := receive(addr, file, 0)
		if err == nil && bytes.Equal(got, loader()) {
			return
		}
		if time.Now().After(end) {
			f.Fatalf("after all that the loader is %d bytes, %v", len(got), err)
		}
	}
}
