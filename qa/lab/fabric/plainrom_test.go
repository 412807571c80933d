package fabric

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// packet is a frame from its type field on: IPv4 with a payload.
func packet(protocol byte, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, etherIPv4)
	ip := make([]byte, 20)
	ip[0], ip[9] = 0x45, protocol
	binary.BigEndian.PutUint16(ip[2:], uint16(20+len(payload)))
	return append(append(b, ip...), payload...)
}

func datagram(port uint16, payload []byte) []byte {
	b := []byte{0, 68, 0, 0, 0, 0, 0xab, 0xcd}
	binary.BigEndian.PutUint16(b[2:], port)
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(payload)))
	return packet(protocolUDP, append(b, payload...))
}

// discover is a DHCP request with these options.
func discover(options ...[]byte) []byte {
	b := append(make([]byte, bootpLen), 99, 130, 83, 99)
	return datagram(portDHCP, append(append(b, bytes.Join(options, nil)...), optionEnd))
}

func TestPlainROMSpeaksOfIPXEOnlyOnceItWasLoaded(t *testing.T) {
	kind, pad := []byte{53, 1, 1}, []byte{0}
	class, own := []byte("\x4d\x04iPXE"), []byte("\xaf\x06\xb1\x04\x01\x10\x1a\xf4")
	vendor := []byte("\x3c\x09PXEClient")
	full := func() []byte { return discover(kind, pad, class, own, vendor) }
	hidden := discover(kind, pad, make([]byte, len(class)), make([]byte, len(own)), vendor)
	udp := 2 + 20
	hidden[udp+6], hidden[udp+7] = 0, 0 // the checksum is dropped

	var r plainROM
	for i, step := range []struct {
		what string
		send []byte
		want []byte
	}{
		{"the ROM", full(), hidden},
		{"the ROM again", full(), hidden},
		{"something else by TCP", packet(protocolTCP, make([]byte, 20)), nil},
		{"the ROM still", full(), hidden},
		{"TFTP", datagram(portTFTP, []byte("\x00\x01undionly.kpxe\x00octet\x00")), nil},
		{"the loader", full(), nil},
		{"the loader's script", packet(protocolTCP, make([]byte, 20)), nil},
		{"an installer, which has no class", discover(kind, []byte("\x3c\x05cairn")), nil},
		{"the ROM of a machine that was restarted", full(), hidden},
	} {
		got, want := bytes.Clone(step.send), step.want
		if want == nil {
			want = step.send
		}
		r.see(got)
		if !bytes.Equal(got, want) {
			t.Errorf("step %d, %s: %q, want %q", i, step.what, got[udp:], want[udp:])
		}
	}
}

func TestPlainROMStandsWhatIsNoPacket(t *testing.T) {
	whole := discover([]byte{53, 1, 1}, []byte("\x4d\x04iPXE"))
	for n := range whole {
		var r plainROM
		r.see(whole[:n:n])
	}
}
