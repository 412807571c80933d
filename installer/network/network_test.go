package network

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseBootIf(t *testing.T) {
	for in, want := range map[string]string{
		"01-52-54-00-AA-00-01": "52:54:00:aa:00:01",
		"52:54:00:aa:00:01":    "52:54:00:aa:00:01",
		"01:02:03:04:05:06":    "01:02:03:04:05:06",
		"eth0":                 "",
		"":                     "",
	} {
		got, err := ParseBootIf(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestParseStatic(t *testing.T) {
	got, err := parseStatic("10.20.0.50::10.20.0.1:255.255.255.0:host:eth0:none:10.20.0.2")
	if err != nil {
		t.Fatal(err)
	}
	want := Lease{Interface: "eth0", Address: netip.MustParsePrefix("10.20.0.50/24"), Gateway: netip.MustParseAddr("10.20.0.1"), DNS: []string{"10.20.0.2"}}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"", "eth0", "10.0.0.1", "10.0.0.1:::255.0.255.0", "10.0.0.1::gw:255.255.255.0", "fd00::1"} {
		if _, err := parseStatic(bad); err == nil {
			t.Errorf("ip=%s passed", bad)
		}
	}
}
