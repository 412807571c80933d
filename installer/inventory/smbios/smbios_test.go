package smbios

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// structure makes one entry: formatted part behind the header, then texts.
func structure(kind byte, body []byte, texts ...string) []byte {
	b := append([]byte{kind, byte(headerLen + len(body)), kind, 0}, body...)
	for _, s := range texts {
		b = append(append(b, s...), 0)
	}
	if len(texts) == 0 {
		b = append(b, 0)
	}
	return append(b, 0)
}

// hostInterface is a structure of type 42 as servers have it: a USB device
// and one Redfish record.
func hostInterface(format byte, address []byte, name string) []byte {
	record := make([]byte, redfishName)
	record[redfishFormat] = format
	copy(record[redfishAddress:], address)
	record[redfishPort], record[redfishPort+1] = 443&0xff, 443>>8
	record[redfishNameLen] = byte(len(name))
	record = append(record, name...)
	device := []byte{2, 5, 0xb0, 0x04, 1, 2, 0}
	body := append([]byte{networkInterface, byte(len(device))}, device...)
	body = append(body, 2, 0x02, 3, 9, 9, 9) // two records; the first is none of ours
	body = append(body, redfishOverIP, byte(len(record)))
	return structure(TypeHostInterface, append(body, record...))
}

func TestManager(t *testing.T) {
	board := structure(2, []byte{1, 2}, "Supermicro", "X12DPi-N6")
	kcs := structure(TypeIPMI, []byte{1, 0x20, 0x20, 0xff, 0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0})
	end := structure(typeEnd, nil)
	for name, c := range map[string]struct {
		table   [][]byte
		kind    string
		redfish []HostInterface
	}{
		"none":        {table: [][]byte{board, end}},
		"kcs":         {table: [][]byte{board, kcs, end}, kind: "kcs"},
		"unknown one": {table: [][]byte{structure(TypeIPMI, []byte{9})}},
		"too short":   {table: [][]byte{structure(TypeIPMI, nil), structure(TypeHostInterface, []byte{networkInterface})}},
		"redfish": {table: [][]byte{kcs, hostInterface(1, []byte{169, 254, 0, 17}, "bmc1"), end}, kind: "kcs",
			redfish: []HostInterface{{netip.MustParseAddr("169.254.0.17"), 443, "bmc1"}}},
		"redfish, IPv6": {table: [][]byte{hostInterface(2, []byte{0xfe, 0x80, 15: 1}, "")},
			redfish: []HostInterface{{netip.MustParseAddr("fe80::1"), 443, ""}}},
		"redfish by DHCP": {table: [][]byte{hostInterface(1, nil, "")}, redfish: []HostInterface{{Port: 443}}},
		"behind the end":  {table: [][]byte{end, kcs}},
		"cut off":         {table: [][]byte{board, kcs[:10]}},
	} {
		t.Run(name, func(t *testing.T) {
			var raw []byte
			for _, s := range c.table {
				raw = append(raw, s...)
			}
			all := Parse(raw)
			if got := Interface(all); got != c.kind {
				t.Errorf("interface %q, want %q", got, c.kind)
			}
			if d := cmp.Diff(c.redfish, Redfish(all), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestStrings(t *testing.T) {
	all := Parse(append(structure(2, []byte{1, 2}, "Dell Inc.", "0XYZ"), structure(3, nil)...))
	if len(all) != 2 {
		t.Fatalf("%d structures, want 2", len(all))
	}
	if d := cmp.Diff([]string{"Dell Inc.", "0XYZ"}, all[0].Strings); d != "" {
		t.Error(d)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(hostInterface(1, []byte{10, 0, 0, 1}, "bmc"))
	f.Add(structure(TypeIPMI, []byte{1}))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		all := Parse(raw)
		Interface(all)
		Redfish(all)
	})
}
