package fabric

import "encoding/binary"

// Sizes of what goes over a wire, in bytes.
const (
	lengthLen   = 4      // QEMU's prefix
	addressLen  = 6      // an Ethernet address
	headerLen   = 14     // destination, source, type
	tagLen      = 4      // 802.1Q
	maxFrame    = 65_550 // QEMU hands over whole GSO packets when asked to; nothing larger
	etherVLAN   = 0x8100
	etherIPv4   = 0x0800
	protocolUDP = 17
	portDHCP    = 67
)

// A key names an address in a VLAN: VLAN id in the top 16 bits, Ethernet
// address in the rest.
type key uint64

func keyOf(vlan uint16, address []byte) key {
	hi := uint64(binary.BigEndian.Uint16(address))
	lo := uint64(binary.BigEndian.Uint32(address[2:]))
	return key(uint64(vlan)<<48 | hi<<32 | lo)
}

// group tells whether an address is a multicast or broadcast one.
func group(address []byte) bool { return address[0]&1 != 0 }

// reserved tells whether a destination is for the switch itself and never
// forwarded (IEEE 802.1Q, table 8-1: 01-80-C2-00-00-0x).
func reserved(dst []byte) bool {
	return dst[0] == 0x01 && dst[1] == 0x80 && dst[2] == 0xc2 && dst[3] == 0 && dst[4] == 0 && dst[5]&0xf0 == 0
}

// tag returns the VLAN id of a tagged frame. A priority tag (id 0) counts as
// a tag: tagged is true and vlan 0.
func tag(frame []byte) (vlan uint16, tagged bool) {
	if len(frame) < headerLen+tagLen || binary.BigEndian.Uint16(frame[12:]) != etherVLAN {
		return 0, false
	}
	return binary.BigEndian.Uint16(frame[14:]) & 0x0fff, true
}

// fromDHCPServer tells whether a frame is a DHCPv4 server's answer: UDP from
// port 67 to 68. body starts at the frame's innermost type field.
func fromDHCPServer(body []byte) bool {
	if len(body) < 2+20+8 || binary.BigEndian.Uint16(body) != etherIPv4 {
		return false
	}
	ip := body[2:]
	size := int(ip[0]&0x0f) * 4
	if ip[9] != protocolUDP || len(ip) < size+8 {
		return false
	}
	return binary.BigEndian.Uint16(ip[size:]) == portDHCP && binary.BigEndian.Uint16(ip[size+2:]) == portDHCP+1
}
