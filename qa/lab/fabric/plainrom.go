package fabric

import "encoding/binary"

// A plainROM makes the network boot ROM of a machine, which in QEMU is always
// iPXE, look like that of a real card, which is not: what says iPXE is taken
// out of its DHCP requests until it has loaded something. From then on the
// machine runs what it was given.
//
// It follows the frames of one machine: a request for a file by TFTP ends the
// ROM, the first TCP connection ends the loader, and a DHCP request of iPXE
// after that can only come from the ROM of a machine that was started again.
type plainROM struct{ stage romStage }

type romStage int

const (
	inROM    romStage = iota
	inLoader          // that the ROM has fetched
	beyond            // a kernel, or what else the loader has started
)

// Numbers of protocols, and of the DHCP options that iPXE alone sends: user
// class, and its encapsulated options (iPXE: dhcp.h, DHCP_EB_ENCAP).
const (
	protocolTCP     = 6
	portTFTP        = 69
	optionUserClass = 77
	optionIPXE      = 175
	optionEnd       = 255
	bootpLen        = 236 // bytes before the magic cookie of the options
)

// see takes notice of a frame that the machine sends, from its innermost type
// field on, and changes it in place where it says too much.
func (r *plainROM) see(body []byte) {
	udp, protocol := transport(body)
	switch {
	case protocol == protocolTCP && r.stage == inLoader:
		r.stage = beyond
	case protocol != protocolUDP || len(udp) < 8:
		return
	case binary.BigEndian.Uint16(udp[2:]) == portTFTP:
		r.stage = inLoader
	case binary.BigEndian.Uint16(udp[2:]) == portDHCP && len(udp) > 8+bootpLen+4:
		options := udp[8+bootpLen+4:]
		if r.stage == beyond && saysIPXE(options) {
			r.stage = inROM
		}
		if r.stage == inROM {
			silence(options)
			udp[6], udp[7] = 0, 0 // no checksum (RFC 768)
		}
	}
}

// transport is the payload of an IPv4 packet that is no fragment, and its
// protocol; 0 for anything else.
func transport(body []byte) (payload []byte, protocol byte) {
	if len(body) < 2+20 || binary.BigEndian.Uint16(body) != etherIPv4 {
		return nil, 0
	}
	ip := body[2:]
	size := int(ip[0]&0x0f) * 4
	if len(ip) < size || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
		return nil, 0
	}
	return ip[size:], ip[9]
}

// eachOption calls do with every DHCP option: code, length and value.
func eachOption(options []byte, do func(option []byte)) {
	for len(options) > 1 && options[0] != optionEnd {
		if options[0] == 0 {
			options = options[1:]
			continue
		}
		size := 2 + int(options[1])
		if size > len(options) {
			return
		}
		do(options[:size])
		options = options[size:]
	}
}

func saysIPXE(options []byte) (says bool) {
	eachOption(options, func(o []byte) { says = says || o[0] == optionUserClass && string(o[2:]) == "iPXE" })
	return says
}

// silence turns what only iPXE sends into padding.
func silence(options []byte) {
	eachOption(options, func(o []byte) {
		if o[0] == optionUserClass || o[0] == optionIPXE {
			clear(o)
		}
	})
}
