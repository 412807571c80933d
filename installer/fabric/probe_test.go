package fabric

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// innerEnv marks the copy of a test that runs in its own network namespace.
const innerEnv = "CAIRN_TEST_INNER"

// inNamespace runs the test again in a network namespace of its own and tells
// whether this is that copy.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(innerEnv) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), innerEnv+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("no network namespace: this needs root")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wires makes a bridge with a card per name plugged in, and returns their
// addresses.
func wires(t *testing.T, names ...string) map[string]string {
	t.Helper()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "sw"}}
	must(t, netlink.LinkAdd(bridge))
	must(t, netlink.LinkSetUp(bridge))
	out := map[string]string{}
	for i, name := range names {
		mac := net.HardwareAddr{0x52, 0x54, 0, 0, 0, byte(i + 1)}
		must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, HardwareAddr: mac}, PeerName: "p" + name}))
		port, err := netlink.LinkByName("p" + name)
		must(t, err)
		must(t, netlink.LinkSetMaster(port, bridge))
		must(t, netlink.LinkSetUp(port))
		out[name] = mac.String()
	}
	return out
}

// TestProbe lets three cards of one switch take part in a round. The port of
// c takes smaller frames than the others.
func TestProbe(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	macs := wires(t, "a", "b", "c")
	narrow, err := netlink.LinkByName("pc")
	must(t, err)
	must(t, netlink.LinkSetMTU(narrow, 1400))
	reports := map[string]plan.FabricReport{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, mac := range macs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			order := plan.FabricOrder{Round: 7, Trunk: mac, VLANs: []int{100, 137}, MTU: 1500, Seconds: 6}
			r, err := Probe(context.Background(), order, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			reports[name] = r
		}()
	}
	wg.Wait()
	for hearer, from := range map[string]string{"a": "b", "b": "a", "c": "a"} {
		want := 1500
		if hearer == "c" {
			want = smallest
		}
		for _, vlan := range []int{0, 100, 137} {
			h := plan.FabricHeard{MAC: macs[from], VLAN: vlan, As: vlan, Size: want}
			if !slices.Contains(reports[hearer].Heard, h) {
				t.Errorf("%s did not hear %+v, but %+v", hearer, h, reports[hearer].Heard)
			}
		}
		for _, h := range reports[hearer].Heard {
			if h.MAC == macs[hearer] {
				t.Errorf("%s heard itself: %+v", hearer, h)
			}
		}
	}
}

// TestProbeOnEachCard lets a machine with two cards that will make a bond take
// part in a round, and says which is not there.
func TestProbeOnEachCard(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	macs := wires(t, "a", "b", "c")
	var wg sync.WaitGroup
	wg.Go(func() {
		order := plan.FabricOrder{Round: 7, Trunk: macs["c"], VLANs: []int{100}, MTU: 1500, Seconds: 6}
		if _, err := Probe(context.Background(), order, slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	})
	order := plan.FabricOrder{Round: 7, Trunk: macs["a"], Cards: []string{macs["b"], "52:54:00:00:00:99"}, VLANs: []int{100}, MTU: 1500, Seconds: 4}
	r, err := Probe(context.Background(), order, slog.New(slog.DiscardHandler))
	must(t, err)
	wg.Wait()
	if len(r.More) != 1 || r.More[0].MAC != macs["b"] {
		t.Fatalf("further cards: %+v; want one, %s", r.More, macs["b"])
	}
	h := plan.FabricHeard{MAC: macs["c"], VLAN: 100, As: 100, Size: 1500}
	for card, heard := range map[string][]plan.FabricHeard{"a": r.Heard, "b": r.More[0].Heard} {
		if !slices.Contains(heard, h) {
			t.Errorf("card %s did not hear %+v, but %+v", card, h, heard)
		}
	}
}

// TestOthers finds the card of another machine that has the address too, and
// takes none of this machine's for another.
func TestOthers(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	macs := wires(t, "a", "b")
	for _, name := range []string{"a", "b"} {
		l, err := netlink.LinkByName(name)
		must(t, err)
		must(t, netlink.LinkSetUp(l))
	}
	other, err := netlink.LinkByName("b")
	must(t, err)
	addr, err := netlink.ParseAddr("10.9.0.5/24")
	must(t, err)
	must(t, netlink.AddrAdd(other, addr))
	card, err := net.InterfaceByName("a")
	must(t, err)
	ask := func(who string, own ...string) []string {
		ctx, cancel := context.WithTimeoutCause(context.Background(), 3e9, errOver)
		defer cancel()
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(wire(unix.ETH_P_ARP)))
		must(t, err)
		s := &socket{fd, card}
		found, err := s.others(ctx, netip.MustParseAddr(who), own)
		must(t, errors.Join(err, s.close()))
		return found
	}
	if got := ask("10.9.0.5", macs["a"]); !slices.Contains(got, macs["b"]) {
		t.Errorf("10.9.0.5 is on %s; answers came from %v", macs["b"], got)
	}
	if got := ask("10.9.0.6", macs["a"]); len(got) != 0 {
		t.Errorf("nobody has 10.9.0.6; answers came from %v", got)
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), 3e9, errOver)
	defer cancel()
	if got, err := Others(ctx, macs["a"], netip.MustParseAddr("10.9.0.5")); err != nil || len(got) != 0 {
		t.Errorf("10.9.0.5 is this machine's own: %v, %v", got, err)
	}
}

func TestFrames(t *testing.T) {
	from := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	for _, p := range []probe{{1, 0, smallest}, {1 << 30, 4094, 9000}, {9, 100, 1500}} {
		b := p.frame(from)
		if p.vlan != 0 {
			b = append(b[:12:12], b[16:]...) // as the kernel does
		}
		if len(b) != headerLen+int(p.size) {
			t.Errorf("%+v: %d bytes on the wire", p, len(b))
		}
		mac, got, err := read(b)
		if err != nil || got != p || mac.String() != from.String() {
			t.Errorf("%+v came back as %+v from %s: %v", p, got, mac, err)
		}
		if _, _, err := read(b[:len(b)-1]); !errors.Is(err, errNoProbe) {
			t.Errorf("%+v cut short: %v", p, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(probe{1, 2, 64}.frame(net.HardwareAddr{2, 0, 0, 0, 0, 1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, p, err := read(b); err == nil && int(p.size) > len(b) {
			t.Errorf("a probe of %d bytes in a frame of %d", p.size, len(b))
		}
	})
}
