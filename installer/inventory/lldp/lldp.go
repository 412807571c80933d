// Package lldp hears which switch port a network card is plugged into (IEEE
// 802.1AB), and says who is plugged in there.
//
// Linux only, and as root. It imports installer/plan only.
package lldp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// EtherType of LLDP frames.
const EtherType = 0x88cc

// Kinds of TLVs (IEEE 802.1AB, table 8-1).
const (
	tlvEnd               = 0
	tlvChassis           = 1
	tlvPort              = 2
	tlvTTL               = 3
	tlvPortDescription   = 4
	tlvSystemName        = 5
	tlvCapabilities      = 7
	tlvManagementAddress = 8
	tlvOrganisation      = 127
)

// Subtypes of a chassis and of a port; the two lists differ.
const (
	chassisMAC     = 4
	chassisAddress = 5
	portMAC        = 3
	portAddress    = 4
	portInterface  = 5
	locallyChosen  = 7 // of both
)

// portVLAN is the beginning of IEEE 802.1's TLV "port VLAN ID" (802.1Q, D.2.1).
const portVLAN = "\x00\x80\xc2\x01"

// station is the capability of an end of the network (802.1AB, table 8-4).
const station = 1 << 7

var errShort = errors.New("it ends inside a TLV")

// A Neighbour is who sent an announcement.
type Neighbour struct {
	plan.LLDP
	Leaving bool // it says goodbye: its time to live is 0
	Station bool // it is a machine and nothing else, no switch
}

// Parse reads an LLDPDU, what follows the type field of a frame.
func Parse(pdu []byte) (Neighbour, error) {
	var n Neighbour
	seen := map[byte]bool{}
	for len(pdu) > 0 {
		kind, value, rest, err := next(pdu)
		if err != nil {
			return Neighbour{}, err
		}
		if kind == tlvEnd {
			break
		}
		seen[kind] = true
		n.take(kind, value)
		pdu = rest
	}
	for _, need := range []struct {
		kind byte
		what string
	}{{tlvChassis, "chassis ID"}, {tlvPort, "port ID"}, {tlvTTL, "time to live"}} {
		if !seen[need.kind] {
			return Neighbour{}, fmt.Errorf("LLDP: the %s is missing", need.what)
		}
	}
	return n, nil
}

// next cuts one TLV off: seven bits of kind, nine of length, value.
func next(b []byte) (kind byte, value, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil, fmt.Errorf("LLDP: %w", errShort)
	}
	head := binary.BigEndian.Uint16(b)
	size := 2 + int(head&0x1ff)
	if len(b) < size {
		return 0, nil, nil, fmt.Errorf("LLDP: %w of kind %d", errShort, head>>9)
	}
	return byte(head >> 9), b[2:size], b[size:], nil
}

func (n *Neighbour) take(kind byte, value []byte) {
	switch kind {
	case tlvTTL:
		n.Leaving = len(value) >= 2 && binary.BigEndian.Uint16(value) == 0
	case tlvCapabilities:
		n.Station = len(value) >= 4 && binary.BigEndian.Uint16(value[2:]) == station
	case tlvChassis:
		n.Chassis = identifier(value, chassisMAC, chassisAddress)
	case tlvPort:
		n.Port = identifier(value, portMAC, portAddress)
	case tlvPortDescription:
		n.Description = text(value)
	case tlvSystemName:
		n.Switch = text(value)
	case tlvManagementAddress:
		if len(value) > 2 && n.Address == "" {
			n.Address = address(value[1:min(1+int(value[0]), len(value))])
		}
	case tlvOrganisation:
		if len(value) >= 6 && string(value[:4]) == portVLAN {
			n.VLAN = int(binary.BigEndian.Uint16(value[4:])) & 0xfff
		}
	}
}

// identifier reads a chassis or port ID: its subtype, and then a MAC, a
// network address or text.
func identifier(b []byte, mac, network byte) string {
	if len(b) < 2 {
		return ""
	}
	switch {
	case b[0] == mac && len(b) == 7:
		return net.HardwareAddr(b[1:]).String()
	case b[0] == network:
		return address(b[1:])
	}
	return text(b[1:])
}

// address reads an address behind the number of its family (IANA: 1 is IPv4,
// 2 is IPv6, 6 is a MAC).
func address(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	family, b := b[0], b[1:]
	if addr, ok := netip.AddrFromSlice(b); ok && (family == 1 && addr.Is4() || family == 2 && addr.Is6()) {
		return addr.String()
	}
	if family == 6 && len(b) == 6 {
		return net.HardwareAddr(b).String()
	}
	return ""
}

// text is what a switch says, safe to print: it comes from a stranger.
func text(b []byte) string {
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.TrimRight(string(b), "\x00"))
	return strings.TrimSpace(s)
}
