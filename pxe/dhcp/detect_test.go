package dhcp

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/net/bpf"
)

// fromServer is the frame of a server's answer.
func fromServer(t testing.TB, mac net.HardwareAddr, src string, mods ...dhcpv4.Modifier) []byte {
	t.Helper()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{func(d *dhcpv4.DHCPv4) { d.OpCode = dhcpv4.OpcodeBootReply },
		dhcpv4.WithHwAddr(hw(1)), dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer)}, mods...)...)
	if err != nil {
		t.Fatal(err)
	}
	body := m.ToBytes()
	f := append(ethernetBroadcast(), mac...)
	f = append(f, 8, 0)
	h := ipv4Header(len(body) + 8)
	copy(h[12:], netip.MustParseAddr(src).AsSlice())
	f = append(f, h...)
	f = binary.BigEndian.AppendUint16(f, 67)
	f = binary.BigEndian.AppendUint16(f, 68)
	f = binary.BigEndian.AppendUint16(f, uint16(len(body)+8))
	return append(append(f, 0, 0), body...)
}

func TestOtherServersAreFound(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	found := 0
	d := NewDetector(DetectConfig{Interface: &net.Interface{Name: "eth0", HardwareAddr: hw(9)}, Own: []netip.Addr{addr("10.20.0.11")},
		Found: func(o Other) string { found++; return "port of " + o.MAC }, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	for _, f := range [][]byte{
		fromServer(t, hw(7), "10.20.0.1", dhcpv4.WithYourIP(net.ParseIP("10.20.0.99")), toServer("10.20.0.1")),
		fromServer(t, hw(7), "10.20.0.1", dhcpv4.WithOption(dhcpv4.OptBootFileName("x")), toServer("10.20.0.1")),
		fromServer(t, hw(6), "10.20.0.2", dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient"))),                                   // says no name
		fromServer(t, hw(5), "10.20.0.11", toServer("10.20.0.11")),                                                                     // says that it is us
		fromServer(t, hw(9), "10.20.0.11", toServer("10.20.0.11")),                                                                     // is us
		fromServer(t, hw(4), "10.30.0.1", toServer("10.20.0.11"), func(d *dhcpv4.DHCPv4) { d.GatewayIPAddr = net.IPv4(10, 30, 0, 1) }), // passes ours on
		fromServer(t, hw(7), "10.20.0.1")[:100],
		make([]byte, 20), nil,
	} {
		d.hear(f)
	}
	want := []Other{
		{Server: addr("10.20.0.1"), MAC: hw(7).String(), Addresses: true, Boots: true, Answers: 2},
		{Server: addr("10.20.0.11"), MAC: hw(5).String(), Poses: true, Answers: 1},
		{Server: addr("10.20.0.2"), MAC: hw(6).String(), Boots: true, Answers: 1},
	}
	for i := range want {
		want[i].First, want[i].Last, want[i].Place = now, now, "port of "+want[i].MAC
	}
	if diff := cmp.Diff(want, d.Others(), cmpopts.EquateComparable(netip.Addr{}), cmpopts.SortSlices(func(a, b Other) bool { return a.Server.String() < b.Server.String() })); diff != "" {
		t.Error(diff)
	}
	if found != 4 {
		t.Errorf("told of %d answers, want 4", found)
	}
	for n := range 2 * maxOthers {
		d.hear(fromServer(t, hw(byte(n)), fmt.Sprintf("10.21.0.%d", n)))
	}
	if n := len(d.Others()); n != maxOthers {
		t.Errorf("remembers %d servers, want %d", n, maxOthers)
	}
}

// TestFilter shows frames to the filter that the kernel runs.
func TestFilter(t *testing.T) {
	vm, err := bpf.NewVM(serverFrames())
	if err != nil {
		t.Fatal(err)
	}
	good := fromServer(t, hw(7), "10.20.0.1")
	change := func(at int, to ...byte) []byte {
		f := append([]byte(nil), good...)
		copy(f[at:], to)
		return f
	}
	for name, c := range map[string]struct {
		frame []byte
		pass  bool
	}{
		"an answer":        {good, true},
		"TCP":              {change(etherHeader+9, 6), false},
		"to a server":      {change(etherHeader+22, 0, 67), false},
		"from a client":    {question(hw(9)), false},
		"a later fragment": {change(etherHeader+6, 0, 1), false},
		"cut":              {good[:20], false},
	} {
		n, err := vm.Run(c.frame)
		if err != nil || (n > 0) != c.pass {
			t.Errorf("%s: %d bytes pass, %v; want that it passes: %v", name, n, err, c.pass)
		}
	}
}

// TestQuestion has a responder answer another deployer's question, without
// taking it for a machine.
func TestQuestion(t *testing.T) {
	f := question(hw(9))
	if sum := ipSum(f[etherHeader : etherHeader+20]); sum != 0xffff {
		t.Errorf("the header's checksum is wrong: %#x", sum)
	}
	for _, proxied := range []bool{false, true} {
		p, _ := newPool(t, nil)
		r, s := newResponder(t, p)
		r.conf.Proxy = proxied
		out, why := r.Handle(f[etherHeader+28:])
		if why != DropNone || out.MessageType() != dhcpv4.MessageTypeOffer || toAddr(out.YourIPAddr).IsValid() || out.ClassIdentifier() != "PXEClient" {
			t.Errorf("got %s, want an offer of nothing", shown(out, why))
		}
		if len(s.clients) != 0 {
			t.Errorf("a deployer counts as a machine: %v", s.clients)
		}
	}
}

func ipSum(h []byte) uint32 {
	var sum uint32
	for i := 0; i < len(h); i += 2 {
		sum += uint32(h[i])<<8 | uint32(h[i+1])
	}
	return sum&0xffff + sum>>16
}

func TestWhoHasAnAddress(t *testing.T) {
	reply := func(op byte, mac net.HardwareAddr, ip string) []byte {
		f := arpProbe(mac, addr("10.20.0.100"))
		f[etherHeader+7] = op
		copy(f[etherHeader+14:], addr(ip).AsSlice())
		return f
	}
	for name, c := range map[string]struct {
		frame []byte
		mac   string
	}{
		"an answer":              {reply(arpReply, hw(3), "10.20.0.100"), three},
		"a question":             {reply(arpRequest, hw(3), "10.20.0.100"), three},
		"a probe":                {arpProbe(hw(3), addr("10.20.0.100")), ""},
		"something else":         {reply(9, hw(3), "10.20.0.100"), ""},
		"of a multicast address": {reply(arpReply, net.HardwareAddr{1, 0, 0x5e, 0, 0, 1}, "10.20.0.100"), ""},
		"cut":                    {reply(arpReply, hw(3), "10.20.0.100")[:arpLen-1], ""},
		"not Ethernet":           {make([]byte, arpLen), ""},
	} {
		mac, a, ok := speaker(c.frame)
		if ok != (c.mac != "") || ok && (mac != c.mac || a != addr("10.20.0.100")) {
			t.Errorf("%s: got %s at %s, %v; want %q", name, mac, a, ok, c.mac)
		}
	}
}

// FuzzFrames throws frames at what reads the wire.
func FuzzFrames(f *testing.F) {
	f.Add(fromServer(f, hw(7), "10.20.0.1"))
	f.Add(arpProbe(hw(3), addr("10.20.0.100")))
	f.Add(question(hw(9)))
	d := NewDetector(DetectConfig{Interface: &net.Interface{Name: "eth0", HardwareAddr: hw(9)}, Found: func(Other) string { return "" }})
	f.Fuzz(func(t *testing.T, b []byte) {
		d.hear(b)
		if mac, a, ok := speaker(b); ok && (mac == "" || !a.Is4()) {
			t.Fatalf("%q at %s", mac, a)
		}
	})
}
