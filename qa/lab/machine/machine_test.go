package machine

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/qa/lab/fabric"
)

func needsQEMU(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("qemu-system-x86_64 is not installed; it is what machines are made of")
	}
}

// listen plugs a test into a new port of a switch.
func listen(t *testing.T, s *fabric.Switch, config fabric.PortConfig) net.Conn {
	t.Helper()
	p, err := s.AddPort(config)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs, err := fabric.Pair()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.FileConn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	go p.Attach(ours)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// frames reads frames until one satisfies, or until the machine has done
// nothing for two minutes.
func frames(t *testing.T, conn net.Conn, m *Machine, enough func([]byte) bool) {
	t.Helper()
	var size [4]byte
	var before Activity
	for {
		if err := conn.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			now, aerr := m.Activity(t.Context())
			if aerr != nil || now.CPU == before.CPU {
				t.Fatalf("no such frame, and the machine has stopped: %v, %v", err, aerr)
			}
			before = now
			continue
		}
		f := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(conn, f); err != nil {
			t.Fatal(err)
		}
		if enough(f) {
			return
		}
	}
}

// dhcpDiscover tells whether a frame asks a DHCP server to boot.
func dhcpDiscover(f []byte, mac []byte) bool {
	return len(f) > 42 && bytes.Equal(f[6:12], mac) && f[12] == 8 && f[13] == 0 && f[23] == 17 &&
		binary.BigEndian.Uint16(f[36:]) == 67 && bytes.Contains(f, []byte("PXEClient:Arch:"))
}

// A real machine asks a real network to boot it, and only its own VLAN hears
// that.
func TestMachineBootsFromTheNetwork(t *testing.T) {
	needsQEMU(t)
	firmwares := []Firmware{BIOS}
	if os.Getenv("CAIRN_LONG_TESTS") != "" {
		firmwares = append(firmwares, UEFI) // a minute until its first packet
	}
	for _, fw := range firmwares {
		t.Run(string(fw), func(t *testing.T) { bootFromNetwork(t, fw) })
	}
}

func bootFromNetwork(t *testing.T, fw Firmware) {
	sw := fabric.New("test")
	port, err := sw.AddPort(fabric.PortConfig{Name: "machine", Access: 5})
	if err != nil {
		t.Fatal(err)
	}
	tap := listen(t, sw, fabric.PortConfig{Name: "tap", Access: 5})
	m, err := New(Spec{
		Name: "m", Dir: t.TempDir(), CPUs: 1, MemoryMiB: 256, CacheMiB: 32, Firmware: fw,
		UUID: "6b9f4b1e-0000-4000-8000-000000000001", Serial: "M1",
		NICs: []NIC{{MAC: "52:54:00:12:34:56", Port: port, BootIndex: 1}},
	}, Needs{Launcher: NewLauncher(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.PowerOff(context.Background()); err != nil {
			t.Error(err)
		}
		if m.On() {
			t.Error("the machine is still on")
		}
	}()
	mac := []byte{0x52, 0x54, 0, 0x12, 0x34, 0x56}
	frames(t, tap, m, func(f []byte) bool { return dhcpDiscover(f, mac) })
	a, err := m.Activity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !a.On || a.CPU == 0 || a.Resident == 0 {
		t.Errorf("activity %+v of a machine that runs", a)
	}
	t.Logf("first DHCP packet after %v of CPU time, %d MiB resident", a.CPU, a.Resident>>20)
}

// A connection to a forwarded port arrives in the switch's network.
func TestGateway(t *testing.T) {
	needsQEMU(t)
	sw := fabric.New("test")
	port, err := sw.AddPort(fabric.PortConfig{Name: "gateway", Access: 5, NoDHCPServer: true})
	if err != nil {
		t.Fatal(err)
	}
	tap := listen(t, sw, fabric.PortConfig{Name: "tap", Access: 5})
	m, err := New(Spec{
		Name: "gateway", Dir: t.TempDir(),
		Gateway: &User{Network: netip.MustParsePrefix("10.20.0.0/24")},
		NICs:    []NIC{{Port: port}},
	}, Needs{Launcher: NewLauncher(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer m.PowerOff(context.Background())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().(*net.TCPAddr).Port
	l.Close()
	target := netip.MustParseAddr("10.20.0.11")
	if err := m.Forward(t.Context(), 0, Forward{From: free, To: 22, Address: target}); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(free)).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	frames(t, tap, m, func(f []byte) bool { // it asks who has the address
		return len(f) >= 42 && f[12] == 8 && f[13] == 6 && bytes.Equal(f[38:42], target.AsSlice())
	})
	a, err := m.Activity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a gateway takes %d MiB", a.Resident>>20)
}
