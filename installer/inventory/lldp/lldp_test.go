package lldp

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// pdu joins TLVs, each given as its kind and value.
func pdu(parts ...any) []byte {
	var b []byte
	for i := 0; i < len(parts); i += 2 {
		b = element(b, byte(parts[i].(int)), []byte(parts[i+1].(string)))
	}
	return b
}

func TestParse(t *testing.T) {
	const ttl = "\x00\x78"
	for name, c := range map[string]struct {
		pdu  []byte
		want Neighbour
		err  string
	}{
		"a data centre switch": {
			pdu: pdu(1, "\x04\x44\x4c\xa8\x00\x00\x01", 2, "\x05Ethernet7/1", 3, ttl, 4, "rack 4 unit 12", 5, "leaf-4a.example.net",
				6, "EOS 4.31", 7, "\x00\x14\x00\x14", 8, "\x05\x01\x0a\x00\x00\x04\x02\x00\x0f\x42\x3f\x00",
				127, "\x00\x80\xc2\x01\x00\x0a", 127, "\x00\x12\x0f\x04\x05\xdc", 0, ""),
			want: Neighbour{LLDP: plan.LLDP{Chassis: "44:4c:a8:00:00:01", Switch: "leaf-4a.example.net", Port: "Ethernet7/1",
				Description: "rack 4 unit 12", VLAN: 10, Address: "10.0.0.4"}},
		},
		"the least there can be": {
			pdu:  pdu(1, "\x07sw", 2, "\x0717", 3, ttl),
			want: Neighbour{LLDP: plan.LLDP{Chassis: "sw", Port: "17"}},
		},
		"addresses": {
			pdu: pdu(1, "\x05\x01\x0a\x00\x00\x01", 2, "\x03\x02\x00\x00\x00\x00\x05", 3, ttl,
				8, "\x11\x02\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x00\x00\x00\x01\x00",
				8, "\x05\x01\x0a\x00\x00\x09\x02\x00\x00\x00\x01\x00"),
			want: Neighbour{LLDP: plan.LLDP{Chassis: "10.0.0.1", Port: "02:00:00:00:00:05", Address: "fe80::1"}},
		},
		"the management address is a MAC": {
			pdu:  pdu(1, "\x07sw", 2, "\x0717", 3, ttl, 8, "\x07\x06\x02\x00\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00"),
			want: Neighbour{LLDP: plan.LLDP{Chassis: "sw", Port: "17", Address: "02:00:00:00:00:01"}},
		},
		"what is behind the end": {
			pdu:  pdu(1, "\x07sw", 2, "\x0717", 3, ttl, 0, "", 5, "name"),
			want: Neighbour{LLDP: plan.LLDP{Chassis: "sw", Port: "17"}},
		},
		"control characters": {
			pdu:  pdu(1, "\x07sw", 2, "\x0717", 3, ttl, 5, "a\x1b[2Jb\x00"),
			want: Neighbour{LLDP: plan.LLDP{Chassis: "sw", Port: "17", Switch: "a?[2Jb"}},
		},
		"it leaves": {
			pdu:  pdu(1, "\x07sw", 2, "\x0717", 3, "\x00\x00"),
			want: Neighbour{LLDP: plan.LLDP{Chassis: "sw", Port: "17"}, Leaving: true},
		},
		"a machine": {
			pdu:  announcement("id", "name", &net.Interface{Name: "eth0", HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 7}})[headerLen:],
			want: Neighbour{LLDP: plan.LLDP{Chassis: "id", Port: "02:00:00:00:00:07", Switch: "name", Description: "eth0"}, Station: true},
		},
		"odd values": {
			pdu:  pdu(1, "\x04\x01", 2, "\x04\x01\x01", 3, "\x01", 8, "\xff\x01", 8, "\x00", 127, "\x00\x80\xc2\x01\x00", 7, "\x00"),
			want: Neighbour{LLDP: plan.LLDP{Chassis: "?"}},
		},
		"empty":      {err: "LLDP: the chassis ID is missing"},
		"no port":    {pdu: pdu(1, "\x07sw", 3, ttl), err: "LLDP: the port ID is missing"},
		"no ttl":     {pdu: pdu(1, "\x07sw", 2, "\x0717"), err: "LLDP: the time to live is missing"},
		"half a TLV": {pdu: []byte{2}, err: "LLDP: it ends inside a TLV"},
		"cut off":    {pdu: []byte{2, 9, 7, 's'}, err: "LLDP: it ends inside a TLV of kind 1"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(c.pdu)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if (err != nil) != (c.err != "") || err != nil && err.Error() != c.err {
				t.Errorf("error %v, want %s", err, c.err)
			}
		})
	}
}

// A switch that takes long names is not cut short inside a TLV.
func TestElementIsBounded(t *testing.T) {
	b := element(nil, tlvSystemName, []byte(strings.Repeat("x", 600)))
	if kind, value, rest, err := next(b); kind != tlvSystemName || len(value) != maxValue || len(rest) != 0 || err != nil {
		t.Errorf("kind %d, %d bytes, %d left, %v", kind, len(value), len(rest), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(pdu(1, "\x04\x44\x4c\xa8\x00\x00\x01", 2, "\x05Ethernet7/1", 3, "\x00\x78", 8, "\x05\x01\x0a\x00\x00\x04\x02\x00\x0f\x42\x3f\x00", 127, "\x00\x80\xc2\x01\x00\x0a", 0, ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := Parse(b)
		if err != nil && n != (Neighbour{}) {
			t.Errorf("an error, and %+v", n)
		}
		for _, s := range []string{n.Chassis, n.Switch, n.Port, n.Description, n.Address} {
			if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q cannot be printed", s)
			}
		}
		if n.VLAN < 0 || n.VLAN > 4095 {
			t.Errorf("VLAN %d", n.VLAN)
		}
	})
}
