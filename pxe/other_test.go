package pxe

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/server4"

	"github.com/cairn-cloud/cairn/pxe/fleet"
)

// rackFile writes a rack.yaml for machines that cannot probe switches.
func rackFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rack.yaml")
	must(t, os.WriteFile(file, []byte("fabric: {check: off}\n"+text), 0o600))
	return file
}

// Addresses of the network's own DHCP server, and what it gives.
const (
	otherAddress = "10.20.0.1"
	otherFrom    = "10.20.0.50"
	otherTo      = "10.20.0.59"
)

// serveAddresses has the station be the DHCP server of the network, as
// dnsmasq where it is installed.
func (s *station) serveAddresses(t *testing.T) {
	t.Helper()
	s.address(t, netip.MustParsePrefix(otherAddress+"/24"))
	dnsmasq, err := exec.LookPath("dnsmasq")
	if err != nil {
		s.serveOneAddress(t)
		return
	}
	s.start(t, dnsmasq, "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--bind-interfaces",
		"--dhcp-range="+otherFrom+","+otherTo, "--dhcp-leasefile="+filepath.Join(t.TempDir(), "leases"), "--user=root", "--log-facility=-",
		"--pid-file="+filepath.Join(t.TempDir(), "pid"), "--dhcp-authoritative", "--no-ping")
}

// serveOneAddress gives the first address to whoever asks.
func (s *station) serveOneAddress(t *testing.T) {
	t.Helper()
	must(t, s.do(func() error {
		srv, err := server4.NewServer("eth0", &net.UDPAddr{Port: dhcpv4.ServerPort}, func(c net.PacketConn, _ net.Addr, m *dhcpv4.DHCPv4) {
			kind := dhcpv4.MessageTypeOffer
			if m.MessageType() == dhcpv4.MessageTypeRequest {
				kind = dhcpv4.MessageTypeAck
			}
			out, err := dhcpv4.NewReplyFromRequest(m, dhcpv4.WithMessageType(kind), dhcpv4.WithYourIP(net.ParseIP(otherFrom)),
				dhcpv4.WithNetmask(net.CIDRMask(24, 32)), dhcpv4.WithLeaseTime(3600),
				dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(otherAddress))))
			if err == nil {
				_, _ = c.WriteTo(out.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ClientPort})
			}
		})
		if err != nil {
			return err
		}
		go func() { _ = srv.Serve() }() // ends when it is closed
		t.Cleanup(func() { _ = srv.Close() })
		return nil
	}))
}

// start runs a program in the station until the test ends.
func (s *station) start(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdout, cmd.Stderr = testWriter{t}, testWriter{t}
	must(t, s.do(cmd.Start))
	t.Cleanup(func() {
		must(t, cmd.Process.Kill())
		cmd.Wait() // it was killed, and says so
	})
}

// counters is what the operator API counts, as reason and number.
func counters(t *testing.T, s *station, state string) (map[string]int, string) {
	t.Helper()
	var answer struct {
		Counters []struct {
			Protocol, What string
			Total          int
		}
	}
	text := operatorGet(t, s, state, "/v1/counters", &answer)
	list := map[string]int{}
	for _, c := range answer.Counters {
		list[c.Protocol+" "+c.What] = c.Total
	}
	return list, text
}

// TestBesideAnotherServer goes the way of a machine whose address comes from
// a DHCP server that was there before us, from firmware to enrolment, twice.
func TestBesideAnotherServer(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	newStation(t, br, 2).serveAddresses(t)
	book, state := startDeployer(t, []byte("kernel"), func(c *Command) { c.Rack = rackFile(t, "management: {dhcp: proxy}\n") })
	s := newStation(t, br, 1)

	// The machine's first address is of the other server, what it boots of ours.
	lease := s.leaseBeside(t, asFirmware(0))
	if file := lease.proxy.BootFileName; file != "undionly.kpxe" || !lease.proxy.YourIPAddr.IsUnspecified() {
		t.Errorf("we offer %q and the address %s, want undionly.kpxe and none", file, lease.proxy.YourIPAddr)
	}
	if len(s.tftp(t, lease.proxy.ServerIPAddr.String(), lease.proxy.BootFileName)) == 0 {
		t.Error("the loader is empty")
	}
	lease = s.leaseBeside(t, asFirmware(0), asIPXE())
	url := lease.proxy.BootFileName + "&uuid=" + machineID + "&platform=pcbios"
	script := string(s.get(t, url))
	s.enrol(t, script)
	book.wait(t, quiet, "machine enrolled", machineID)

	// Another machine cannot have the script of this one.
	thief := newStation(t, br, 3)
	thief.leaseBeside(t, asIPXE())
	if code, text := thief.status(t, url); code != 403 || !strings.Contains(text, "asks for the script of "+s.mac.String()) {
		t.Errorf("the script of another machine: %d %s, want 403", code, text)
	}
	// The node has an address of our range for good, and boots with one of the other.
	m := operatorList(t, newStation(t, br, 9), state)
	for _, m := range m {
		if m.ID != machineID {
			continue
		}
		if m.State != fleet.Enrolled || m.Node.Management.Address != netip.MustParsePrefix("10.20.0.100/24") {
			t.Errorf("the machine is %s with %s for good, want enrolled with 10.20.0.100/24", m.State, m.Node.Management.Address)
		}
	}
	s.leaseBeside(t, asFirmware(0), asIPXE())
	if again := string(s.get(t, url)); !strings.Contains(again, "sanboot") {
		t.Errorf("the installed machine gets this script:\n%s", again)
	}
	if strings.Contains(book.String(), "another DHCP server answers") {
		t.Error("the server that is there on purpose counts as strange")
	}
	list, text := counters(t, newStation(t, br, 8), state)
	if list["dhcp OFFER"] == 0 || list["http denied"] != 1 || !strings.Contains(text, otherAddress) {
		t.Errorf("the operator sees %s, want our offers, one refusal and the other server", text)
	}
}

// A beside is what a client gets from two servers.
type beside struct {
	lease *dhcpv4.DHCPv4 // ACK of the one that gives addresses
	proxy *dhcpv4.DHCPv4 // offer of the other
}

// leaseBeside asks as a boot ROM does: it waits for offers of both kinds, and
// requests the one with an address.
func (s *station) leaseBeside(t *testing.T, mods ...dhcpv4.Modifier) beside {
	t.Helper()
	var b beside
	conn := s.clientSocket(t)
	defer conn.Close()
	mods = append([]dhcpv4.Modifier{dhcpv4.WithHwAddr(s.mac), dhcpv4.WithBroadcast(true)}, mods...)
	m, err := dhcpv4.New(append(mods, dhcpv4.WithMessageType(dhcpv4.MessageTypeDiscover))...)
	must(t, err)
	var offer *dhcpv4.DHCPv4
	s.exchange(t, conn, m, func(in *dhcpv4.DHCPv4) bool {
		if in.YourIPAddr.IsUnspecified() {
			b.proxy = in
		} else {
			offer = in
		}
		return offer != nil && b.proxy != nil
	})
	m, err = dhcpv4.New(append(mods, dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest), dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(offer.YourIPAddr)),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(offer.ServerIdentifier())))...)
	must(t, err)
	s.exchange(t, conn, m, func(in *dhcpv4.DHCPv4) bool { b.lease = in; return in.MessageType() == dhcpv4.MessageTypeAck })
	a, _ := netip.AddrFromSlice(b.lease.YourIPAddr.To4())
	s.address(t, netip.PrefixFrom(a, 24))
	return b
}

// clientSocket is what a machine without an address hears answers on.
func (s *station) clientSocket(t *testing.T) net.PacketConn {
	t.Helper()
	var conn net.PacketConn
	must(t, s.do(func() (err error) {
		conn, err = server4.NewIPv4UDPConn("eth0", &net.UDPAddr{Port: dhcpv4.ClientPort})
		return err
	}))
	return conn
}

// exchange sends until done says that the answers are all there.
func (s *station) exchange(t *testing.T, conn net.PacketConn, m *dhcpv4.DHCPv4, done func(*dhcpv4.DHCPv4) bool) {
	t.Helper()
	buf := make([]byte, 4096)
	for range 60 {
		_, err := conn.WriteTo(m.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ServerPort})
		must(t, err)
		must(t, conn.SetReadDeadline(time.Now().Add(2*time.Second)))
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				break // the deadline: send again
			}
			in, err := dhcpv4.FromBytes(buf[:n])
			if err == nil && in.TransactionID == m.TransactionID && done(in) {
				return
			}
		}
	}
	t.Fatalf("no answer to %s", m.Summary())
}

// discover asks once, for nothing that it waits for.
func (s *station) discover(t *testing.T, mods ...dhcpv4.Modifier) {
	t.Helper()
	conn := s.clientSocket(t)
	defer conn.Close()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithHwAddr(s.mac), dhcpv4.WithMessageType(dhcpv4.MessageTypeDiscover)}, mods...)...)
	must(t, err)
	_, err = conn.WriteTo(m.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ServerPort})
	must(t, err)
}
