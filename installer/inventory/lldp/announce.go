package lldp

import (
	"encoding/binary"
	"net"
)

// ttl is how long a switch may remember us, in seconds: an installation is
// soon over.
const ttl = 120

// announcement is the frame by which a machine says who is plugged in: its id
// as the chassis, the card's MAC as the port, and its name. A switch that
// hears of a new neighbour answers within a second (802.1AB, 9.1.1: fast
// transmission), so that nobody waits half a minute for its next regular
// frame. The lists of neighbours that switches keep show the machine too.
func announcement(machine, name string, card *net.Interface) []byte {
	b := append([]byte{}, nearestBridge...)
	b = append(b, card.HardwareAddr...)
	b = binary.BigEndian.AppendUint16(b, EtherType)
	b = element(b, tlvChassis, append([]byte{locallyChosen}, machine...))
	b = element(b, tlvPort, append([]byte{portMAC}, card.HardwareAddr...))
	b = element(b, tlvTTL, []byte{ttl >> 8, ttl & 0xff})
	b = element(b, tlvPortDescription, []byte(card.Name))
	b = element(b, tlvSystemName, []byte(name))
	b = element(b, tlvCapabilities, []byte{0, station, 0, station})
	return element(b, tlvEnd, nil)
}

// maxValue is how long an ID or a name may be, in bytes.
const maxValue = 255

// element appends one TLV.
func element(to []byte, kind byte, value []byte) []byte {
	value = value[:min(len(value), maxValue)]
	to = binary.BigEndian.AppendUint16(to, uint16(kind)<<9|uint16(len(value)))
	return append(to, value...)
}
