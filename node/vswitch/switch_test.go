package vswitch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/node/spec"
)

// insideVariable tells that the test is in a network namespace of its own.
const insideVariable = "CAIRN_TEST_NAMESPACE"

// TestSwitch runs a switch with guests that are network namespaces. On a
// kernel that cannot filter VLANs it does what can be done without them.
func TestSwitch(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("making bridges takes root")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed; on Debian: apt-get install nftables")
	}
	if os.Getenv(insideVariable) == "" {
		cmd := exec.Command("unshare", "--net", os.Args[0], "-test.run", "^TestSwitch$", "-test.v")
		cmd.Env = append(os.Environ(), insideVariable+"=1")
		out, err := cmd.CombinedOutput()
		t.Logf("inside:\n%s", out)
		if err != nil {
			t.Error(err)
		}
		return
	}
	playSwitch(t, !filtersVLANs(t))
}

// filtersVLANs tells whether this kernel's bridges can.
func filtersVLANs(t *testing.T) bool {
	t.Helper()
	s := New(Options{Bridge: "br-probe", Log: slog.New(slog.DiscardHandler)})
	err := s.ensureBridge()
	if l, _ := link("br-probe"); l != nil {
		_ = netlink.LinkDel(l)
	}
	if err != nil {
		t.Logf("VLANs are not in this test: %v", err)
	}
	return err == nil
}

// A guestNS is a guest: a namespace with one NIC.
type guestNS struct {
	ns   netns.NsHandle
	port spec.Port
	name string
}

func newGuest(t *testing.T, name string, n byte, vlan int, address string, rules ...spec.Rule) *guestNS {
	t.Helper()
	g := &guestNS{name: name, port: spec.Port{
		ID: fmt.Sprintf("%08x-0000-4000-8000-000000000000", n), MAC: fmt.Sprintf("fa:16:3e:00:00:%02x", n), VLAN: vlan, MTU: 1450,
		Addresses: []spec.Address{{Address: netip.MustParseAddr(address), Bits: 24}}, Security: true, AdminUp: true,
		Rules: append(rules, spec.Rule{}, spec.Rule{IPv6: true}),
		DHCP:  &spec.DHCPOption{Server: netip.MustParseAddr("10.0.0.2"), LeaseSeconds: 60, HostName: name},
	}}
	var err error
	if g.ns, err = newNamespace(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.ns.Close() })
	mac, err := net.ParseMAC(g.port.MAC)
	if err != nil {
		t.Fatal(err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = g.port.TapName()
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(int(g.ns))}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatal(err)
	}
	g.do(t, func() error {
		silence("all")
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(l)
	})
	return g
}

func (g *guestNS) wiring() Wiring {
	return Wiring{Guest: g.name, Ports: []spec.Port{g.port}, Metadata: spec.Metadata{ServerID: g.name, HostName: g.name}}
}

// do runs f in the guest. Package netlink's calls are the guest's there.
func (g *guestNS) do(t *testing.T, f func() error) {
	t.Helper()
	if err := inside(g.ns, f); err != nil {
		t.Fatalf("in guest %s: %v", g.name, err)
	}
}

// lease takes an address by DHCP.
func (g *guestNS) lease(t *testing.T) {
	t.Helper()
	g.do(t, func() error {
		c, err := nclient4.New("eth0", nclient4.WithTimeout(time.Second), nclient4.WithRetry(20))
		if err != nil {
			return err
		}
		defer c.Close()
		lease, err := c.Request(t.Context(), dhcpv4.WithRequestedOptions(dhcpv4.OptionClasslessStaticRoute))
		if err != nil {
			return err
		}
		if got, want := lease.ACK.YourIPAddr.String(), g.port.Addresses[0].Address.String(); got != want {
			return fmt.Errorf("got address %s, want %s", got, want)
		}
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: &net.IPNet{IP: lease.ACK.YourIPAddr, Mask: lease.ACK.SubnetMask()}}); err != nil {
			return err
		}
		for _, r := range lease.ACK.ClasslessStaticRoute() {
			if err := netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: r.Dest, Gw: r.Router}); err != nil {
				return err
			}
		}
		return nil
	})
}

// ask reads a metadata document.
func (g *guestNS) ask(t *testing.T, path string) string {
	t.Helper()
	c := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(_ context.Context, network, addr string) (conn net.Conn, err error) {
		err = inside(g.ns, func() (err error) {
			conn, err = net.DialTimeout(network, addr, 10*time.Second)
			return err
		})
		return conn, err
	}}}
	resp, err := c.Get("http://169.254.169.254" + path)
	if err != nil {
		t.Fatalf("guest %s: %v", g.name, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// echo answers datagrams at port 7000.
func (g *guestNS) echo(t *testing.T) {
	t.Helper()
	var c net.PacketConn
	g.do(t, func() (err error) {
		c, err = net.ListenPacket("udp4", "0.0.0.0:7000")
		return err
	})
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 100)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(buf[:n], from)
		}
	}()
}

// reaches tells whether an echo comes back, within tries of half a second.
func (g *guestNS) reaches(t *testing.T, address string, tries int) bool {
	t.Helper()
	var c net.Conn
	g.do(t, func() (err error) {
		c, err = net.Dial("udp4", address+":7000")
		return err
	})
	defer c.Close()
	buf := make([]byte, 100)
	for range tries {
		_, _ = c.Write([]byte("hello"))
		_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := c.Read(buf); err == nil {
			return true
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			time.Sleep(100 * time.Millisecond)
		}
	}
	return false
}

// raw opens a socket for whole frames on a device.
func raw(t *testing.T, device string) *packet.Conn {
	t.Helper()
	i, err := net.InterfaceByName(device)
	if err != nil {
		t.Fatal(err)
	}
	c, err := packet.Listen(i, packet.Raw, unix.ETH_P_ALL, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (g *guestNS) raw(t *testing.T) (c *packet.Conn) {
	t.Helper()
	g.do(t, func() error { c = raw(t, "eth0"); return nil })
	return c
}

func playSwitch(t *testing.T, plain bool) {
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "nic1"
	const trunkMAC = "52:54:00:00:00:01"
	attrs.HardwareAddr, _ = net.ParseMAC(trunkMAC)
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "wire"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lo", "wire"} {
		l, err := netlink.LinkByName(name)
		if err == nil {
			silence(name)
			err = netlink.LinkSetUp(l)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s := New(Options{Bridge: "br-tenant", TrunkMAC: trunkMAC, Log: log, Plain: plain})
	if err := s.Restore(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	udp := spec.Rule{Ingress: true, Protocol: "udp", PortMin: 7000, PortMax: 7000}
	a := newGuest(t, "alice", 1, 101, "10.0.0.5")
	b := newGuest(t, "bob", 2, 101, "10.0.0.6", udp)
	guests := []*guestNS{a, b}
	var c *guestNS
	if !plain { // another project, with the addresses of the first
		c = newGuest(t, "carol", 3, 102, "10.0.0.5", udp)
		guests = append(guests, c, newGuest(t, "dave", 4, 102, "10.0.0.7", udp))
	}
	for _, g := range guests {
		if err := s.Connect(t.Context(), g.wiring()); err != nil {
			t.Fatal(err)
		}
	}
	if checks := s.Checks(t.Context()); len(checks) != 1 || !checks[0].OK {
		t.Errorf("checks: %+v", checks)
	}
	wire := raw(t, "wire")
	for _, g := range guests {
		g.lease(t)
		if got := g.ask(t, "/latest/meta-data/hostname"); got != g.name {
			t.Errorf("guest %s is told to be %q", g.name, got)
		}
		g.echo(t)
	}
	if plain { // without connection tracking the answer needs a rule of its own
		a.port.Rules = append(a.port.Rules, spec.Rule{Ingress: true, Protocol: "udp", PortMin: 1024, PortMax: 65535, Remotes: []netip.Prefix{netip.MustParsePrefix("10.0.0.6/32")}})
		if err := s.Connect(t.Context(), a.wiring()); err != nil {
			t.Fatal(err)
		}
	}
	if !a.reaches(t, "10.0.0.6", 20) {
		t.Error("alice does not reach bob")
	}
	if !plain {
		if b.reaches(t, "10.0.0.5", 3) {
			t.Error("bob reaches alice, whom no rule opens")
		}
		if a.reaches(t, "10.0.0.7", 3) || c.reaches(t, "10.0.0.6", 3) {
			t.Error("projects reach each other")
		}
		if !c.reaches(t, "10.0.0.7", 20) {
			t.Error("carol does not reach dave")
		}
	}
	if !plain {
		remote(t, b)
	}
	hostile(t, a, b, wire)
	onTheWire(t, wire)

	for _, g := range guests {
		if err := s.Disconnect(t.Context(), g.name); err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if n := l.Attrs().Name; strings.HasPrefix(n, "tap") || strings.HasPrefix(n, "svc") {
			t.Errorf("%s is left", n)
		}
	}
}

// remote is a guest of another host: what it sends comes in tagged.
func remote(t *testing.T, b *guestNS) {
	t.Helper()
	g := &guestNS{name: "erin"}
	var err error
	if g.ns, err = newNamespace(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.ns.Close() })
	wire, err := netlink.LinkByName("wire")
	if err != nil {
		t.Fatal(err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex, attrs.Namespace = "eth0", wire.Attrs().Index, netlink.NsFd(int(g.ns))
	if attrs.HardwareAddr, err = net.ParseMAC("fa:16:3e:00:00:09"); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: 101}); err != nil {
		t.Fatal(err)
	}
	g.do(t, func() error {
		silence("all")
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		own := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 0, 0, 9), Mask: net.CIDRMask(24, 32)}}
		return errors.Join(netlink.LinkSetUp(l), netlink.AddrAdd(l, own))
	})
	g.echo(t)
	if !g.reaches(t, "10.0.0.6", 20) {
		t.Error("a guest of another host does not reach bob")
	}
	if !b.reaches(t, "10.0.0.9", 20) {
		t.Error("bob does not reach a guest of another host")
	}
	for _, address := range []string{"10.0.0.5", "10.0.0.7"} {
		if g.reaches(t, address, 3) {
			t.Errorf("a guest of another host reaches %s, which no rule opens or is of another project", address)
		}
	}
	g.do(t, func() error {
		if c, err := net.DialTimeout("tcp4", "10.0.0.2:80", time.Second); err == nil {
			return errors.Join(c.Close(), errors.New("the services of one host answer a guest of another"))
		}
		c, err := nclient4.New("eth0", nclient4.WithTimeout(time.Second), nclient4.WithRetry(2))
		if err != nil {
			return err
		}
		defer c.Close()
		if lease, err := c.DiscoverOffer(t.Context()); err == nil {
			return fmt.Errorf("a guest of another host is offered %s", lease.YourIPAddr)
		}
		return nil
	})
}

// read returns the frames that have come in, until none has for a moment.
func read(t *testing.T, c *packet.Conn) [][]byte {
	t.Helper()
	var all [][]byte
	buf := make([]byte, 1<<16)
	for {
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, _, err := c.ReadFrom(buf)
		if err != nil {
			return all
		}
		all = append(all, bytes.Clone(buf[:n]))
	}
}

// onTheWire looks at what has left the host: nothing of its services.
func onTheWire(t *testing.T, wire *packet.Conn) {
	t.Helper()
	for _, f := range read(t, wire) {
		if len(f) >= 12 && (bytes.HasPrefix(f, serviceMAC(0)[:4]) || bytes.HasPrefix(f[6:], serviceMAC(0)[:4])) {
			t.Errorf("a frame of the services left the host: %x", f[:14])
		}
	}
}
