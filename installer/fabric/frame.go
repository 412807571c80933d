package fabric

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
)

// A probe is what one frame says.
type probe struct {
	round uint32
	vlan  uint16 // tag that it was sent with; 0: none
	size  uint16 // bytes of payload that it was sent with
}

const (
	etherType   = 0x88b5 // IEEE 802, local experimental 1
	etherVLAN   = 0x8100
	headerLen   = 14
	magic       = "cairnfab"
	probeLen    = len(magic) + 1 + 4 + 2 + 2
	probeFormat = 1
	smallest    = 46 // bytes of payload of the smallest Ethernet frame
)

// group is the address that probes go to: multicast, locally administered.
func group() net.HardwareAddr { return net.HardwareAddr{0x03, 'c', 'a', 'i', 'r', 'n'} }

// frame writes a probe as it goes on the wire.
func (p probe) frame(from net.HardwareAddr) []byte {
	b := append(append([]byte{}, group()...), from...)
	if p.vlan != 0 {
		b = binary.BigEndian.AppendUint16(b, etherVLAN)
		b = binary.BigEndian.AppendUint16(b, p.vlan)
	}
	b = binary.BigEndian.AppendUint16(b, etherType)
	payload := append([]byte(magic), probeFormat)
	payload = binary.BigEndian.AppendUint32(payload, p.round)
	payload = binary.BigEndian.AppendUint16(payload, p.vlan)
	payload = binary.BigEndian.AppendUint16(payload, p.size)
	return append(append(b, payload...), make([]byte, max(0, int(p.size)-len(payload)))...)
}

var errNoProbe = errors.New("no probe")

// read reads a frame whose tag was taken off. A probe that was cut short on
// the way is none.
func read(b []byte) (from net.HardwareAddr, p probe, err error) {
	if len(b) < headerLen+probeLen || binary.BigEndian.Uint16(b[12:]) != etherType {
		return nil, p, errNoProbe
	}
	body := b[headerLen:]
	if !bytes.HasPrefix(body, []byte(magic)) || body[len(magic)] != probeFormat {
		return nil, p, errNoProbe
	}
	rest := body[len(magic)+1:]
	p = probe{binary.BigEndian.Uint32(rest), binary.BigEndian.Uint16(rest[4:]), binary.BigEndian.Uint16(rest[6:])}
	if len(body) < int(p.size) {
		return nil, p, errNoProbe
	}
	return net.HardwareAddr(bytes.Clone(b[6:12])), p, nil
}
