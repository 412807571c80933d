package pxe

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/server4"
	"github.com/vishvananda/netlink"

	"github.com/cairn-cloud/cairn/pxe/fleet"
)

const relayedRack = `management:
  relayed:
  - {network: 10.30.0.0/24, router: 10.30.0.1, range_from: 10.30.0.100, range_to: 10.30.0.149}
`

// farNetwork makes a second network behind a router: its bridge in this
// namespace, and the router as a station with a foot in both.
func farNetwork(t *testing.T, br netlink.Link) (far netlink.Link, router *station) {
	t.Helper()
	must(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br1"}}))
	far = up(t, "br1")
	router = newStation(t, br, 30)
	router.address(t, netip.MustParsePrefix("10.20.0.1/24"))
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "port31"}, PeerName: "far0"}))
	port, err := netlink.LinkByName("port31")
	must(t, err)
	plug(t, far, port)
	l, err := netlink.LinkByName("far0")
	must(t, err)
	must(t, netlink.LinkSetNsFd(l, int(router.ns)))
	must(t, router.do(func() error {
		l, err := netlink.LinkByName("far0")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
		a, err := netlink.ParseAddr("10.30.0.1/24")
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(l, a); err != nil {
			return err
		}
		return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
	}))
	_, dst, err := net.ParseCIDR("10.30.0.0/24")
	must(t, err)
	must(t, netlink.RouteAdd(&netlink.Route{Dst: dst, Gw: net.ParseIP("10.20.0.1")}))
	return far, router
}

// relay passes DHCP from the far network on to us and back, with the switch
// port in option 82, as dhcrelay where that is wanted and installed.
func (s *station) relay(t *testing.T) {
	t.Helper()
	if path, err := exec.LookPath("dhcrelay"); err == nil && os.Getenv("CAIRN_LONG") != "" {
		s.start(t, path, "-d", "--no-pid", "-a", "-id", "far0", "-iu", "eth0", "10.20.0.11")
		return
	}
	var down, upper net.PacketConn
	must(t, s.do(func() (err error) {
		if down, err = server4.NewIPv4UDPConn("far0", &net.UDPAddr{Port: dhcpv4.ServerPort}); err != nil {
			return err
		}
		upper, err = server4.NewIPv4UDPConn("eth0", &net.UDPAddr{Port: dhcpv4.ServerPort})
		return err
	}))
	pass := func(from, to net.PacketConn, change func(*dhcpv4.DHCPv4), addr *net.UDPAddr) {
		buf := make([]byte, 4096)
		for {
			n, _, err := from.ReadFrom(buf)
			if err != nil {
				return // closed
			}
			if m, err := dhcpv4.FromBytes(buf[:n]); err == nil {
				change(m)
				_, _ = to.WriteTo(m.ToBytes(), addr)
			}
		}
	}
	go pass(down, upper, func(m *dhcpv4.DHCPv4) { // both end when they are closed
		m.GatewayIPAddr = net.IPv4(10, 30, 0, 1)
		m.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionRelayAgentInformation, append([]byte{1, 4}, "far0"...)))
	}, &net.UDPAddr{IP: net.IPv4(10, 20, 0, 11), Port: 67})
	go pass(upper, down, func(m *dhcpv4.DHCPv4) { delete(m.Options, dhcpv4.OptionRelayAgentInformation.Code()) },
		&net.UDPAddr{IP: net.IPv4bcast, Port: 68})
	t.Cleanup(func() { down.Close(); upper.Close() })
}

// TestMachineBehindARelayAgent boots and enrols one in another network.
func TestMachineBehindARelayAgent(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	book, state := startDeployer(t, []byte("kernel"), func(c *Command) { c.Rack = rackFile(t, relayedRack) })
	far, router := farNetwork(t, br)
	router.relay(t)
	s := newStation(t, far, 1)
	ack := s.lease(t, asFirmware(0), asIPXE())
	if got := ack.YourIPAddr.String() + " by " + ack.Router()[0].String(); got != "10.30.0.100 by 10.30.0.1" {
		t.Fatalf("got %s, want 10.30.0.100 by 10.30.0.1", got)
	}
	must(t, s.do(func() error { return netlink.RouteAdd(&netlink.Route{Gw: ack.Router()[0]}) }))
	s.enrol(t, string(s.get(t, ack.BootFileName+"&uuid="+machineID+"&platform=pcbios")))
	book.wait(t, quiet, "machine plugged in", "circuit=far0")
	operator := newStation(t, br, 9)
	m := operatorList(t, operator, state)[0]
	if m.State != fleet.Enrolled || m.Circuit != "far0" || m.Node.Management.Address != netip.MustParsePrefix("10.30.0.100/24") || m.Node.Management.Gateway.String() != "10.30.0.1" {
		t.Errorf("got %s at %q with %+v; want it enrolled, at far0, with 10.30.0.100/24 by 10.30.0.1", m.State, m.Circuit, m.Node.Management)
	}

	// Another relay agent's network is not in rack.yaml.
	m2, err := dhcpv4.New(dhcpv4.WithHwAddr(s.mac), dhcpv4.WithMessageType(dhcpv4.MessageTypeDiscover), asIPXE(), dhcpv4.WithRelay(net.ParseIP("10.40.0.1")))
	must(t, err)
	must(t, router.do(func() error {
		c, err := net.Dial("udp4", "10.20.0.11:67")
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write(m2.ToBytes())
		return err
	}))
	book.wait(t, quiet, "refused or dropped", "dhcp.unknown-relay", s.mac.String()+" relay agent 10.40.0.1")
	if list, text := counters(t, operator, state); list["dhcp unknown-relay"] != 1 || !strings.Contains(text, "relay agent 10.40.0.1") {
		t.Errorf("the operator sees %s", text)
	}
}
