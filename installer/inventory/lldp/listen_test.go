package lldp

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// cable makes a network namespace with two cards on one cable, for the thread
// of this test alone, and returns the far one.
func cable(t *testing.T) *net.Interface {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("no network namespace here: ", err)
	}
	la := netlink.NewLinkAttrs()
	la.Name = "card0"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: la, PeerName: "port0"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"card0", "port0"} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			t.Fatal(err)
		}
	}
	far, err := net.InterfaceByName("port0")
	if err != nil {
		t.Fatal(err)
	}
	return far
}

// A switch that answers a new neighbour, as 802.1AB asks for, is heard at
// once; one that leaves is forgotten.
func TestListener(t *testing.T) {
	far := cable(t)
	port, err := packet.Listen(far, packet.Raw, EtherType, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	l := Listen(Options{Cards: []string{"card0", "none"}, Machine: "id", Name: "node", Log: slog.New(slog.DiscardHandler)})
	defer l.Close()

	buf := make([]byte, 2048)
	n, _, err := port.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	us, err := Parse(buf[headerLen:n])
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("id node", us.Chassis+" "+us.Switch); d != "" {
		t.Error(d)
	}
	say := func(pdu []byte) {
		frame := bytes.Join([][]byte{nearestBridge, far.HardwareAddr, {EtherType >> 8, EtherType & 0xff}, pdu}, nil)
		if _, err := port.WriteTo(frame, &packet.Addr{HardwareAddr: nearestBridge}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	say(buf[headerLen:n]) // a loop in the network: it is not our neighbour
	say([]byte{2})        // nonsense
	say(pdu(1, "\x07sw", 2, "\x05port7", 3, "\x00\x78", 5, "leaf"))
	l.Wait([]string{"card0"}, time.Minute)
	want := map[string]plan.LLDP{"card0": {Chassis: "sw", Port: "port7", Switch: "leaf"}}
	if d := cmp.Diff(want, l.Heard()); d != "" {
		t.Error(d)
	}
	say(pdu(1, "\x07sw", 2, "\x05port7", 3, "\x00\x00"))
	for ctx.Err() == nil && len(l.Heard()) > 0 {
		time.Sleep(time.Millisecond)
	}
	if h := l.Heard(); len(h) != 0 {
		t.Errorf("still there: %v", h)
	}
}

// Nobody speaks: the wait ends in time, and closing ends all.
func TestWaitEnds(t *testing.T) {
	cable(t)
	l := Listen(Options{Cards: []string{"card0"}, Log: slog.New(slog.DiscardHandler)})
	l.Wait([]string{"card0"}, 10*time.Millisecond)
	l.Wait(nil, time.Hour)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
