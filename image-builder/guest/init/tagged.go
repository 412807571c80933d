package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// Ethernet types.
const (
	typeARP  = 0x0806
	typeDot1 = 0x8100 // IEEE 802.1Q
	typeAD   = 0x88a8 // IEEE 802.1ad, the outer tag of two
)

// askTagged asks for ip in frames that carry a VLAN's tag, and counts the
// answers of anybody within two seconds.
func askTagged(n nic, self netip.Addr, vlan uint16, ip netip.Addr) (sent, answers int, err error) {
	dev, err := net.InterfaceByName(n.name)
	if err != nil {
		return 0, 0, err
	}
	c, err := packet.Listen(dev, packet.Raw, unix.ETH_P_ALL, nil)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close() //nolint:errcheck // nothing was buffered
	to := &packet.Addr{HardwareAddr: net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	for _, f := range taggedFrames(n.mac, self, vlan, ip) {
		if _, err := c.WriteTo(f, to); err != nil {
			return sent, 0, err
		}
		sent++
	}
	if err := c.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return sent, 0, err
	}
	buf := make([]byte, 2048)
	for {
		n, _, err := c.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return sent, answers, nil
		}
		if err != nil {
			return sent, answers, err
		}
		if isAnswer(buf[:n], ip) {
			answers++
		}
	}
}

// taggedFrames is an ARP request in each disguise: a tag, a service tag, one
// in the other, and two of the same, behind priority tags too.
func taggedFrames(mac net.HardwareAddr, self netip.Addr, vlan uint16, ip netip.Addr) [][]byte {
	var all [][]byte
	for _, tags := range [][][2]uint16{
		{{typeDot1, vlan}},
		{{typeAD, vlan}},
		{{typeAD, vlan}, {typeDot1, vlan}},
		{{typeDot1, vlan}, {typeDot1, vlan}},
		{{typeDot1, 0}, {typeDot1, vlan}},
		{{typeAD, 0}, {typeDot1, vlan}},
	} {
		all = append(all, frame(mac, tags, request(mac, self, ip)))
	}
	return all
}

func frame(mac net.HardwareAddr, tags [][2]uint16, arp []byte) []byte {
	var b bytes.Buffer
	b.Write([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	b.Write(mac)
	for _, t := range tags {
		b.Write(binary.BigEndian.AppendUint16(nil, t[0]))
		b.Write(binary.BigEndian.AppendUint16(nil, t[1]))
	}
	b.Write(binary.BigEndian.AppendUint16(nil, typeARP))
	b.Write(arp)
	for b.Len() < 60 {
		b.WriteByte(0)
	}
	return b.Bytes()
}

// request is an ARP request (RFC 826).
func request(mac net.HardwareAddr, self, ip netip.Addr) []byte {
	b := []byte{0, 1, 8, 0, 6, 4, 0, 1}
	b = append(b, mac...)
	b = append(b, self.AsSlice()...)
	b = append(b, 0, 0, 0, 0, 0, 0)
	return append(b, ip.AsSlice()...)
}

// isAnswer tells whether a frame is an ARP answer about ip, tagged or not.
func isAnswer(f []byte, ip netip.Addr) bool {
	at := 12
	for at+2 <= len(f) {
		t := binary.BigEndian.Uint16(f[at:])
		if t != typeDot1 && t != typeAD {
			break
		}
		at += 4
	}
	if at+2+28 > len(f) || binary.BigEndian.Uint16(f[at:]) != typeARP {
		return false
	}
	arp := f[at+2:]
	return binary.BigEndian.Uint16(arp[6:]) == 2 && bytes.Equal(arp[14:18], ip.AsSlice())
}
