package vswitch

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/mdlayher/packet"
)

// Frames that a guest can send, built by hand.

func macOf(s string) []byte {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

func addr(s string) []byte { return netip.MustParseAddr(s).AsSlice() }

func frame(to, from []byte, kind uint16, body ...[]byte) []byte {
	f := append(append(bytes.Clone(to), from...), byte(kind>>8), byte(kind))
	return append(f, bytes.Join(body, nil)...)
}

func sum(b []byte) uint16 {
	var s uint32
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		s += uint32(b[len(b)-1]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

func ip4(from, to string, protocol byte, body []byte) []byte {
	n := 20 + len(body)
	h := append([]byte{0x45, 0, byte(n >> 8), byte(n), 0, 1, 0, 0, 64, protocol, 0, 0}, append(addr(from), addr(to)...)...)
	binary.BigEndian.PutUint16(h[10:], sum(h))
	return append(h, body...)
}

func udp(from, to uint16, body []byte) []byte {
	n := 8 + len(body)
	return append([]byte{byte(from >> 8), byte(from), byte(to >> 8), byte(to), byte(n >> 8), byte(n), 0, 0}, body...)
}

func arp(op byte, mac []byte, from, to string) []byte {
	return bytes.Join([][]byte{{0, 1, 8, 0, 6, 4, 0, op}, mac, addr(from), make([]byte, 6), addr(to)}, nil)
}

func ip6(from, to string, next byte, body []byte) []byte {
	h := []byte{0x60, 0, 0, 0, byte(len(body) >> 8), byte(len(body)), next, 255}
	return bytes.Join([][]byte{h, addr(from), addr(to), body}, nil)
}

func icmp6(from, to string, kind byte, body []byte) []byte {
	p := append([]byte{kind, 0, 0, 0}, body...)
	pseudo := bytes.Join([][]byte{addr(from), addr(to), {0, 0, 0, byte(len(p)), 0, 0, 0, 58}, p}, nil)
	binary.BigEndian.PutUint16(p[2:], sum(pseudo))
	return p
}

func dhcpBody(mac []byte) []byte {
	b := make([]byte, 240)
	b[0], b[1], b[2] = 1, 1, 6
	copy(b[28:], mac)
	return b
}

// hostile sends frames as a guest and looks where they come out: at another
// guest of the network, or on the wire.
func hostile(t *testing.T, a, b *guestNS, wire *packet.Conn) {
	mac, bad, to := macOf(a.port.MAC), macOf("fa:16:3e:99:99:99"), macOf(b.port.MAC)
	all, groups := macOf("ff:ff:ff:ff:ff:ff"), macOf("33:33:00:00:00:01")
	own, _ := linkLocal(a.port.MAC)
	victimAddr, _ := linkLocal(b.port.MAC)
	me, victim, nodes := own.String(), victimAddr.String(), "ff02::1"
	plain := ip4("10.0.0.5", "10.0.0.6", 17, udp(1000, 7000, []byte("01234567890123456789")))
	na := func(from, target string) []byte {
		return ip6(from, nodes, 58, icmp6(from, nodes, 136, bytes.Join([][]byte{{0x20, 0, 0, 0}, addr(target), {2, 1}, mac}, nil)))
	}
	tag := func(kind uint16, vlan byte, rest ...byte) []byte {
		return append([]byte{0, vlan, byte(kind >> 8), byte(kind)}, rest...)
	}
	in, out := b.raw(t), a.raw(t)
	for _, c := range []struct {
		name string
		f    []byte
		want bool
	}{
		{"honest IPv4", frame(to, mac, 0x800, plain), true},
		{"honest ARP answer", frame(all, mac, 0x806, arp(2, mac, "10.0.0.5", "10.0.0.6")), true},
		{"ARP: is the address free", frame(all, mac, 0x806, arp(1, mac, "0.0.0.0", "10.0.0.5")), true},
		{"honest neighbour advertisement", frame(groups, mac, 0x86dd, na(me, me)), true},
		{"another's MAC", frame(to, bad, 0x800, plain), false},
		{"the services' MAC", frame(to, serviceMAC(101), 0x800, plain), false},
		{"another's address", frame(to, mac, 0x800, ip4("10.0.0.1", "10.0.0.6", 17, udp(1, 7000, nil))), false},
		{"ARP for the gateway", frame(all, mac, 0x806, arp(2, mac, "10.0.0.1", "10.0.0.6")), false},
		{"ARP with another's MAC", frame(all, mac, 0x806, arp(2, bad, "10.0.0.5", "10.0.0.6")), false},
		{"gratuitous ARP for a victim", frame(all, mac, 0x806, arp(1, mac, "10.0.0.6", "10.0.0.6")), false},
		{"ARP answer from nobody", frame(all, mac, 0x806, arp(2, mac, "0.0.0.0", "10.0.0.6")), false},
		{"a DHCP server", frame(all, mac, 0x800, ip4("10.0.0.5", "255.255.255.255", 17, udp(67, 68, make([]byte, 240)))), false},
		{"DHCP with another's MAC", frame(all, bad, 0x800, ip4("0.0.0.0", "255.255.255.255", 17, udp(68, 67, dhcpBody(bad)))), false},
		{"DHCP in the name of another", frame(all, mac, 0x800, ip4("0.0.0.0", "255.255.255.255", 17, udp(68, 67, dhcpBody(bad)))), false},
		{"router advertisement", frame(groups, mac, 0x86dd, ip6(me, nodes, 58, icmp6(me, nodes, 134, make([]byte, 12)))), false},
		{"redirect", frame(groups, mac, 0x86dd, ip6(me, nodes, 58, icmp6(me, nodes, 137, make([]byte, 36)))), false},
		{"another's IPv6 address", frame(groups, mac, 0x86dd, ip6(victim, nodes, 17, udp(1, 2, nil))), false},
		{"neighbour advertisement for a victim", frame(groups, mac, 0x86dd, na(me, victim)), false},
		{"a DHCPv6 server", frame(groups, mac, 0x86dd, ip6(me, nodes, 17, udp(547, 546, nil))), false},
		{"tag of the own network", frame(to, mac, 0x8100, tag(0x800, 101), plain), false},
		{"tag of another network", frame(to, mac, 0x8100, tag(0x800, 102), plain), false},
		{"priority tag", frame(to, mac, 0x8100, tag(0x800, 0), plain), false},
		{"two tags", frame(to, mac, 0x88a8, tag(0x8100, 101), tag(0x800, 102), plain), false},
		{"two tags of one kind", frame(to, mac, 0x8100, tag(0x8100, 101), tag(0x800, 102), plain), false},
		{"spanning tree", frame(macOf("01:80:c2:00:00:00"), mac, 0x26, []byte("\x42\x42\x03"), make([]byte, 43)), false},
		{"LLDP", frame(macOf("01:80:c2:00:00:0e"), mac, 0x88cc, make([]byte, 46)), false},
		{"unknown kind", frame(all, mac, 0x88b5, make([]byte, 46)), false},
		{"garbage", bytes.Repeat([]byte{0xff}, 60), false},
	} {
		read(t, in)
		kept := len(c.f)
		if _, err := out.WriteTo(c.f, &packet.Addr{HardwareAddr: c.f[:6]}); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := false
		for _, f := range append(read(t, in), readTagless(t, wire)...) {
			got = got || len(f) >= kept && bytes.Equal(f[12:kept], c.f[12:]) || bytes.HasSuffix(f, c.f[14:]) && len(c.f) > 30
		}
		if got != c.want {
			t.Errorf("%s: passed is %v, want %v", c.name, got, c.want)
		}
	}
}

// readTagless returns the frames from the wire, each as it is.
func readTagless(t *testing.T, wire *packet.Conn) [][]byte {
	t.Helper()
	var all [][]byte
	for _, f := range read(t, wire) {
		if len(f) >= 12 && bytes.HasPrefix(f[6:], serviceMAC(0)[:4]) {
			t.Errorf("a frame of the services left the host: %x", f[:14])
		}
		all = append(all, f)
	}
	return all
}
