package dhcp

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/mdlayher/ndp"
)

// solicitation is the frame that a machine sends to ask for a router.
func solicitation(t testing.TB, mac net.HardwareAddr, src netip.Addr) []byte {
	t.Helper()
	routers := netip.MustParseAddr("ff02::2")
	body, err := ndp.MarshalMessageChecksum(&ndp.RouterSolicitation{}, src, routers)
	if err != nil {
		t.Fatal(err)
	}
	f := append([]byte{0x33, 0x33, 0, 0, 0, 2}, mac...)
	f = append(f, 0x86, 0xdd, 0x60, 0, 0, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(len(body)))
	f = append(f, protoICMPv6, 255)
	f = append(f, src.AsSlice()...)
	f = append(f, routers.AsSlice()...)
	return append(f, body...)
}

func TestNoRouterHere(t *testing.T) {
	own, client := hw(9), hw(1)
	for name, c := range map[string]struct {
		src netip.Addr
		to  net.HardwareAddr
		dst netip.Addr
	}{
		"with an address":    {linkLocal(client), client, linkLocal(client)},
		"without an address": {netip.IPv6Unspecified(), net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, netip.IPv6LinkLocalAllNodes()},
	} {
		out, err := advertise(solicitation(t, client, c.src), own)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(out[:6], c.to) || !bytes.Equal(out[6:12], own) || out[21] != 255 {
			t.Errorf("%s: wrong headers: % x", name, out[:etherHeader+ipv6Header])
		}
		if dst := netip.AddrFrom16([16]byte(out[38:54])); dst != c.dst {
			t.Errorf("%s: sent to %s, want %s", name, dst, c.dst)
		}
		m, err := ndp.ParseMessage(out[icmpTypeAt:])
		ra, ok := m.(*ndp.RouterAdvertisement)
		if err != nil || !ok || ra.RouterLifetime != 0 || len(ra.Options) != 0 {
			t.Errorf("%s: got %+v, %v; want an advertisement of no router", name, m, err)
		}
		if sum := checksum(out); sum != 0xffff {
			t.Errorf("%s: the checksum is wrong: %#x", name, sum)
		}
	}
}

// checksum is that of an ICMPv6 packet with its pseudo header; 0xffff is right.
func checksum(frame []byte) uint32 {
	body := frame[icmpTypeAt:]
	b := append([]byte{}, frame[22:54]...)
	b = append(b, 0, 0, 0, byte(len(body)), 0, 0, 0, protoICMPv6)
	b = append(b, body...)
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return sum
}

func FuzzAdvertise(f *testing.F) {
	f.Add(solicitation(f, hw(1), linkLocal(hw(1))))
	f.Fuzz(func(t *testing.T, b []byte) {
		if out, err := advertise(b, hw(9)); err == nil && len(out) < etherHeader+ipv6Header {
			t.Fatalf("a frame of %d bytes", len(out))
		}
	})
}
