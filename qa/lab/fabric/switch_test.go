package fabric

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A station is a machine at a port.
type station struct {
	t    *testing.T
	conn net.Conn
	mac  [6]byte
}

func plug(t *testing.T, s *Switch, last byte, config PortConfig) (*station, *Port) {
	t.Helper()
	p, err := s.AddPort(config)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- p.Attach(theirs) }()
	st := &station{t: t, conn: ours, mac: [6]byte{2, 0, 0, 0, 0, last}}
	t.Cleanup(func() {
		ours.Close()
		if err := <-done; err != nil {
			t.Errorf("port %s: %v", config.Name, err)
		}
	})
	st.read() // the announcement says that the port is plugged in
	return st, p
}

// send sends a frame with a payload, tagged when vlan is not 0, and returns
// when the switch has handled it.
func (s *station) send(dst [6]byte, vlan uint16, payload string) {
	s.t.Helper()
	f := append(dst[:], s.mac[:]...)
	if vlan != 0 {
		f = binary.BigEndian.AppendUint32(f, etherVLAN<<16|uint32(vlan))
	}
	f = binary.BigEndian.AppendUint16(f, 0x88b5) // for experiments
	f = append(f, payload...)
	s.write(f)
}

func (s *station) write(f []byte) {
	s.t.Helper()
	if _, err := s.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(f))), f...)); err != nil {
		s.t.Fatal(err)
	}
	// A pipe takes even nothing only when it is read from again.
	if _, err := s.conn.Write(nil); err != nil {
		s.t.Fatal(err)
	}
}

func (s *station) read() []byte {
	s.t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(s.conn, size[:]); err != nil {
		s.t.Fatal(err)
	}
	f := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(s.conn, f); err != nil {
		s.t.Fatal(err)
	}
	return f
}

// expect reads the next frame: its tag (0: none) and payload.
func (s *station) expect(vlan uint16, payload string) {
	s.t.Helper()
	f := s.read()
	got, tagged := tag(f)
	body := f[12:]
	if tagged {
		body = body[4:]
	}
	if got != vlan || string(body[2:]) != payload {
		s.t.Errorf("got VLAN %d %q, want VLAN %d %q", got, body[2:], vlan, payload)
	}
}

var broadcast = [6]byte{255, 255, 255, 255, 255, 255}

func TestVLANs(t *testing.T) {
	s := New("test")
	a, ap := plug(t, s, 1, PortConfig{Name: "a", Access: 10})
	b, _ := plug(t, s, 2, PortConfig{Name: "b", Access: 10})
	c, _ := plug(t, s, 3, PortConfig{Name: "c", Access: 20})
	tr, tp := plug(t, s, 4, PortConfig{Name: "trunk", Trunk: []int{10, 20}})
	nat, _ := plug(t, s, 5, PortConfig{Name: "native", Native: 10, Trunk: []int{20}})

	a.send(broadcast, 0, "to ten")
	b.expect(0, "to ten")
	tr.expect(10, "to ten")
	nat.expect(0, "to ten")

	tr.send(broadcast, 20, "to twenty")
	c.expect(0, "to twenty") // and "to ten" never came here
	nat.expect(20, "to twenty")

	tr.send(a.mac, 10, "to a alone")
	a.expect(0, "to a alone")
	nat.send(a.mac, 0, "untagged is native")
	a.expect(0, "untagged is native")

	// What may not come in is counted and goes nowhere.
	a.send(broadcast, 20, "tagged on access")
	tr.send(broadcast, 0, "untagged on a trunk without native")
	tr.send(broadcast, 30, "not on this trunk")
	b.send(broadcast, 0, "the next thing that anybody sees")
	a.expect(0, "the next thing that anybody sees")
	tr.expect(10, "the next thing that anybody sees")
	nat.expect(0, "the next thing that anybody sees")
	c.send(broadcast, 0, "twenty again")
	tr.expect(20, "twenty again")
	nat.expect(20, "twenty again")

	if got, _ := ap.Counters(); got.BadVLAN != 1 {
		t.Errorf("port a: %d frames of wrong VLANs, want 1", got.BadVLAN)
	}
	if got, _ := tp.Counters(); got.BadVLAN != 2 {
		t.Errorf("trunk: %d frames of wrong VLANs, want 2", got.BadVLAN)
	}
}

// The same address may be in two VLANs, and moves when it is seen elsewhere.
func TestLearning(t *testing.T) {
	s := New("test")
	a, _ := plug(t, s, 1, PortConfig{Name: "a", Access: 10})
	b, _ := plug(t, s, 2, PortConfig{Name: "b", Access: 10})
	c, _ := plug(t, s, 1, PortConfig{Name: "c", Access: 20}) // a's address
	d, _ := plug(t, s, 4, PortConfig{Name: "d", Access: 20})

	a.send(broadcast, 0, "here is a")
	b.expect(0, "here is a")
	c.send(broadcast, 0, "here is c")
	d.expect(0, "here is c")
	b.send(a.mac, 0, "for a")
	a.expect(0, "for a")
	d.send(c.mac, 0, "for c")
	c.expect(0, "for c")

	e, _ := plug(t, s, 1, PortConfig{Name: "e", Access: 10}) // a moves here
	e.send(b.mac, 0, "moved")
	b.expect(0, "moved")
	b.send(a.mac, 0, "for a, elsewhere")
	e.expect(0, "for a, elsewhere")
}

func TestFaults(t *testing.T) {
	s := New("test")
	a, ap := plug(t, s, 1, PortConfig{Name: "a", Trunk: []int{10, 20}})
	b, _ := plug(t, s, 2, PortConfig{Name: "b", Trunk: []int{10, 20}})

	ap.SetFault(Fault{Missing: []int{10}})
	a.send(broadcast, 10, "lost")
	a.send(broadcast, 20, "arrives")
	b.expect(20, "arrives")

	ap.SetFault(Fault{Down: true})
	a.send(broadcast, 20, "lost")
	b.send(broadcast, 20, "lost too")
	ap.SetFault(Fault{})
	a.send(broadcast, 10, "healed")
	b.expect(10, "healed")

	ap.SetFault(Fault{Loss: 1})
	a.send(broadcast, 10, "lost")
	ap.SetFault(Fault{})
	a.send(broadcast, 10, "healed again")
	b.expect(10, "healed again")
}

func TestDHCPServersAreKeptOut(t *testing.T) {
	s := New("test")
	a, ap := plug(t, s, 1, PortConfig{Name: "a", Access: 10, NoDHCPServer: true})
	b, _ := plug(t, s, 2, PortConfig{Name: "b", Access: 10})
	answer := append(broadcast[:], a.mac[:]...)
	answer = append(answer, 0x08, 0x00, 0x45)
	answer = append(answer, make([]byte, 8)...)
	answer = append(answer, protocolUDP)
	answer = append(answer, make([]byte, 10)...)
	answer = append(answer, 0, 67, 0, 68, 0, 8, 0, 0)
	a.write(answer)
	a.send(broadcast, 0, "anything else")
	b.expect(0, "anything else")
	if got, _ := ap.Counters(); got.Filtered != 1 {
		t.Errorf("filtered %d answers of DHCP servers, want 1", got.Filtered)
	}
}

func TestAnnouncementNamesSwitchAndPort(t *testing.T) {
	s := New("rack-switch")
	p, err := s.AddPort(PortConfig{Name: "compute1/tenant", Native: 7})
	if err != nil {
		t.Fatal(err)
	}
	got := lldp("rack-switch", p)
	for _, want := range []string{"\x04\x10\x05compute1/tenant", "\x0a\x0brack-switch", "\xfe\x06\x00\x80\xc2\x01\x00\x07"} {
		if !bytes.Contains(got, []byte(want)) {
			t.Errorf("announcement %q lacks %q", got, want)
		}
	}
}

func TestCaptureIsReadByTcpdump(t *testing.T) {
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip("tcpdump is not installed; it is what reads the capture")
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "a.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s := New("test")
	a, ap := plug(t, s, 1, PortConfig{Name: "a", Trunk: []int{10}})
	b, _ := plug(t, s, 2, PortConfig{Name: "b", Access: 10})
	if err := ap.Capture(file); err != nil {
		t.Fatal(err)
	}
	a.send(broadcast, 10, "from a")
	b.expect(0, "from a")
	b.send(broadcast, 0, "from b")
	a.expect(10, "from b")
	if err := ap.Capture(nil); err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command(tcpdump, "-e", "-n", "-r", file.Name()).CombinedOutput()
	if err != nil {
		t.Fatalf("tcpdump: %v\n%s", err, text)
	}
	if n := strings.Count(string(text), "vlan 10"); n != 2 {
		t.Errorf("tcpdump shows %d frames of VLAN 10, want 2:\n%s", n, text)
	}
}

func TestPortConfigIsChecked(t *testing.T) {
	for want, c := range map[string]PortConfig{
		"switch port: name is empty; allowed: any text":                                  {},
		"switch port x: neither access nor trunk; allowed: one kind":                     {Name: "x"},
		"switch port x: access 1 together with native 0 or trunk [2]; allowed: one kind": {Name: "x", Access: 1, Trunk: []int{2}},
		"switch port x: VLAN 4095; allowed: 1 to 4094":                                   {Name: "x", Trunk: []int{4095}},
	} {
		_, err := New("test").AddPort(c)
		if err == nil {
			t.Errorf("config %+v is taken", c)
			continue
		}
		if d := cmp.Diff(want, err.Error()); d != "" {
			t.Error(d)
		}
	}
}

func TestNonsenseEndsTheConnection(t *testing.T) {
	p, err := New("test").AddPort(PortConfig{Name: "a", Access: 1})
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	go func() {
		io.Copy(io.Discard, ours)
	}()
	go ours.Write([]byte{0xff, 0xff, 0xff, 0xff})
	if err := p.Attach(theirs); err == nil || !strings.Contains(err.Error(), "allowed: up to") {
		t.Errorf("a frame of 4 GiB ends with %v", err)
	}
}

// BenchmarkForward measures frames from one port to another over Unix sockets,
// as QEMU sends them; the sender writes one frame at a time.
func BenchmarkForward(b *testing.B) {
	for name, c := range map[string]struct{ size, batch int }{"64B": {64, 32}, "1514B": {1514, 32}, "1514B-single": {1514, 1}, "64KiB": {65_226, 1}} {
		b.Run(name, func(b *testing.B) { benchForward(b, c.size, c.batch) })
	}
}

func benchForward(b *testing.B, size, batch int) {
	s := New("bench")
	conns := make([]net.Conn, 2)
	for i, name := range []string{"a", "b"} {
		p, err := s.AddPort(PortConfig{Name: name, Trunk: []int{10}})
		if err != nil {
			b.Fatal(err)
		}
		ours, theirs, err := Pair()
		if err != nil {
			b.Fatal(err)
		}
		conn, err := net.FileConn(theirs)
		if err != nil {
			b.Fatal(err)
		}
		theirs.Close()
		conns[i] = conn
		go p.Attach(ours)
	}
	frame := make([]byte, size)
	copy(frame, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 10, 0x88, 0xb5})
	wire := append(binary.BigEndian.AppendUint32(nil, uint32(size)), frame...)
	wire = slices.Repeat(wire, batch)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for i := 0; i < b.N; i += batch {
			if _, err := conns[0].Write(wire); err != nil {
				return
			}
		}
	}()
	// Frames that found the queue full are lost, as on any switch: the run is
	// over when all have come in and no more goes out.
	var got int
	buf := make([]byte, 1<<20)
	for {
		in, _ := s.Port("a").Counters()
		out, _ := s.Port("b").Counters()
		if in.InFrames >= uint64(b.N) && uint64(got) >= out.OutBytes+lengthLen*out.OutFrames {
			break
		}
		n, err := conns[1].Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		got += n
	}
	out, _ := s.Port("b").Counters()
	b.ReportMetric(float64(out.OutFrames)/b.Elapsed().Seconds(), "frames/s")
	b.ReportMetric(float64(out.Full)/float64(b.N)*100, "%lost")
	for _, c := range conns {
		c.Close()
	}
}
