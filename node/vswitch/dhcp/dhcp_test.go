package dhcp

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/cairn-cloud/cairn/node/spec"
)

var mac = net.HardwareAddr{0xfa, 0x16, 0x3e, 0, 0, 1}

func port() spec.Port {
	return spec.Port{
		ID: "p", MAC: mac.String(), MTU: 1450,
		Addresses: []spec.Address{
			{Address: netip.MustParseAddr("2001:db8::5"), Bits: 64},
			{Address: netip.MustParseAddr("10.0.0.5"), Bits: 24, Gateway: netip.MustParseAddr("10.0.0.1")},
		},
		DHCP: &spec.DHCPOption{
			Server: netip.MustParseAddr("10.0.0.2"), DNS: []netip.Addr{netip.MustParseAddr("192.0.2.53")},
			Routes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, LeaseSeconds: 3600, HostName: "web", Domain: "example.org",
		},
	}
}

func request(t *testing.T, with ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	r, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithHwAddr(mac)}, with...)...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// summary is an answer as a line that can be read.
func summary(a *dhcpv4.DHCPv4, err error) string {
	if err != nil {
		return "silent"
	}
	var s []string
	for _, r := range a.ClasslessStaticRoute() {
		s = append(s, r.Dest.String()+">"+r.Router.String())
	}
	mask, _ := a.SubnetMask().Size()
	var routers, dns []string
	for _, ip := range a.Router() {
		routers = append(routers, ip.String())
	}
	for _, ip := range a.DNS() {
		dns = append(dns, ip.String())
	}
	mtu := a.Options.Get(dhcpv4.OptionInterfaceMTU)
	return strings.Join([]string{
		a.MessageType().String(), a.YourIPAddr.String(), a.ServerIdentifier().String(),
		string(rune('0'+mask/10)) + string(rune('0'+mask%10)), strings.Join(routers, ","), strings.Join(dns, ","),
		a.HostName(), a.DomainName(), a.IPAddressLeaseTime(0).String(), strings.Join(s, ","), net.IP(mtu).String(),
	}, " ")
}

func TestAnswer(t *testing.T) {
	const rest = "10.0.0.2 24 10.0.0.1 192.0.2.53 web example.org 1h0m0s 169.254.169.254/32>10.0.0.2,198.51.100.0/24>10.0.0.1,0.0.0.0/0>10.0.0.1 ?05aa"
	kind := dhcpv4.WithMessageType
	ask := func(ip string) dhcpv4.Modifier {
		return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(ip)))
	}
	from := func(ip string) dhcpv4.Modifier {
		return dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(ip)))
	}
	for _, c := range []struct {
		name string
		req  *dhcpv4.DHCPv4
		want string
	}{
		{"discover", request(t, kind(dhcpv4.MessageTypeDiscover)), "OFFER 10.0.0.5 " + rest},
		{"request", request(t, kind(dhcpv4.MessageTypeRequest), ask("10.0.0.5"), from("10.0.0.2")), "ACK 10.0.0.5 " + rest},
		{"renew", request(t, kind(dhcpv4.MessageTypeRequest), dhcpv4.WithClientIP(net.IPv4(10, 0, 0, 5))), "ACK 10.0.0.5 " + rest},
		{"another server's", request(t, kind(dhcpv4.MessageTypeRequest), ask("10.0.0.5"), from("10.0.0.9")), "silent"},
		{"another's address", request(t, kind(dhcpv4.MessageTypeRequest), ask("10.0.0.6"), from("10.0.0.2")), "NAK 0.0.0.0 10.0.0.2 00     0s  <nil>"},
		{"release", request(t, kind(dhcpv4.MessageTypeRelease)), "silent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, summary(Answer(c.req, port()))); diff != "" {
				t.Error(diff)
			}
		})
	}
	p := port()
	p.DHCP = nil
	if got := summary(Answer(request(t, kind(dhcpv4.MessageTypeDiscover)), p)); got != "silent" {
		t.Errorf("without DHCP: got %s", got)
	}
}

func FuzzAnswer(f *testing.F) {
	r, err := dhcpv4.NewDiscovery(mac)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.ToBytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		req, err := dhcpv4.FromBytes(b)
		if err != nil {
			return
		}
		if a, err := Answer(req, port()); err == nil {
			a.ToBytes()
			destination(req, a)
		}
	})
}
