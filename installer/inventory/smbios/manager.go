package smbios

import (
	"encoding/binary"
	"net/netip"
)

// Interface is how the machine's processors reach the BMC, from structures of
// type 38 (DSP0134, IPMI Device Information): kcs, smic, bt or ssif. It is
// empty when the firmware names none.
func Interface(all []Structure) string {
	for _, s := range Find(all, TypeIPMI) {
		if len(s.Data) < 5 {
			continue
		}
		switch s.Data[4] {
		case 1:
			return "kcs"
		case 2:
			return "smic"
		case 3:
			return "bt"
		case 4:
			return "ssif"
		}
	}
	return ""
}

// A HostInterface is a network between the machine and its BMC that carries
// Redfish.
type HostInterface struct {
	Service netip.Addr // of the BMC; invalid when it is known by DHCP only
	Port    int        // TCP
	Name    string     // host name of the service
}

// Kinds in a structure of type 42 (DSP0134), and places in its Redfish record
// (DSP0270, Redfish over IP protocol specific record data), in bytes.
const (
	networkInterface = 0x40
	redfishOverIP    = 0x04

	redfishFormat  = 51 // 1: IPv4, 2: IPv6
	redfishAddress = 52
	redfishPort    = 84
	redfishNameLen = 90
	redfishName    = 91
)

// Redfish finds the host interfaces of the machine.
func Redfish(all []Structure) []HostInterface {
	var out []HostInterface
	for _, s := range Find(all, TypeHostInterface) {
		for _, record := range protocolRecords(s.Data) {
			if h, ok := redfishRecord(record); ok {
				out = append(out, h)
			}
		}
	}
	return out
}

// protocolRecords lists the data of the Redfish records of one structure.
func protocolRecords(data []byte) [][]byte {
	if len(data) < 6 || data[4] != networkInterface {
		return nil
	}
	at := 6 + int(data[5]) // behind the description of the device
	if at >= len(data) {
		return nil
	}
	var out [][]byte
	count := int(data[at])
	rest := data[at+1:]
	for ; count > 0 && len(rest) >= 2; count-- {
		kind, size := rest[0], int(rest[1])
		if len(rest) < 2+size {
			return out
		}
		if kind == redfishOverIP {
			out = append(out, rest[2:2+size])
		}
		rest = rest[2+size:]
	}
	return out
}

func redfishRecord(b []byte) (HostInterface, bool) {
	if len(b) < redfishNameLen {
		return HostInterface{}, false
	}
	h := HostInterface{Port: int(binary.LittleEndian.Uint16(b[redfishPort:]))}
	switch b[redfishFormat] {
	case 1:
		h.Service = netip.AddrFrom4([4]byte(b[redfishAddress : redfishAddress+4]))
	case 2:
		h.Service = netip.AddrFrom16([16]byte(b[redfishAddress : redfishAddress+16]))
	}
	if h.Service.IsValid() && h.Service.IsUnspecified() {
		h.Service = netip.Addr{}
	}
	if len(b) > redfishName {
		n := min(int(b[redfishNameLen]), len(b)-redfishName)
		h.Name = string(b[redfishName : redfishName+n])
	}
	return h, true
}
