package ipam

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultPools(t *testing.T) {
	for _, c := range []struct{ cidr, gateway, want string }{
		{"10.0.0.0/24", "10.0.0.1", "10.0.0.2-10.0.0.254"},
		{"10.0.0.0/24", "10.0.0.254", "10.0.0.1-10.0.0.253"},
		{"10.0.0.0/24", "10.0.0.9", "10.0.0.1-10.0.0.8 10.0.0.10-10.0.0.254"},
		{"10.0.0.0/24", "", "10.0.0.1-10.0.0.254"},
		{"10.0.0.0/30", "10.0.0.1", "10.0.0.2-10.0.0.2"},
		{"10.0.0.8/31", "10.0.0.8", "10.0.0.9-10.0.0.9"},
		{"2001:db8::/126", "2001:db8::1", "2001:db8::2-2001:db8::3"},
	} {
		var gateway netip.Addr
		if c.gateway != "" {
			gateway = netip.MustParseAddr(c.gateway)
		}
		var got []string
		for _, r := range DefaultPools(netip.MustParsePrefix(c.cidr), gateway) {
			got = append(got, r.String())
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("pools of %s with gateway %q: %s", c.cidr, c.gateway, diff)
		}
	}
}

func TestDefaultGateway(t *testing.T) {
	if g := DefaultGateway(netip.MustParsePrefix("192.168.7.128/25")); g.String() != "192.168.7.129" {
		t.Errorf("gateway is %s", g)
	}
}

func TestCheckPools(t *testing.T) {
	cidr, gateway := netip.MustParsePrefix("10.0.0.0/24"), netip.MustParseAddr("10.0.0.1")
	pool := func(first, last string) Range {
		return Range{netip.MustParseAddr(first), netip.MustParseAddr(last)}
	}
	for _, c := range []struct {
		pools []Range
		want  string
	}{
		{[]Range{pool("10.0.0.10", "10.0.0.20")}, ""},
		{[]Range{pool("10.0.0.20", "10.0.0.10")}, "end is before"},
		{[]Range{pool("10.0.0.20", "10.0.1.10")}, "not within"},
		{[]Range{pool("10.0.0.1", "10.0.0.10")}, "holds the gateway"},
		{[]Range{pool("10.0.0.10", "10.0.0.20"), pool("10.0.0.20", "10.0.0.30")}, "overlap"},
		{[]Range{pool("10.0.0.250", "10.0.0.255")}, "not within"},
	} {
		err := CheckPools(cidr, gateway, c.pools)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", c.pools, err, c.want)
		}
	}
}

func TestNextSkipsWhatIsUsedAndEnds(t *testing.T) {
	pools := DefaultPools(netip.MustParsePrefix("10.0.0.0/29"), netip.MustParseAddr("10.0.0.3"))
	used := map[netip.Addr]bool{}
	var got []string
	for {
		a, err := Next(pools, used)
		if errors.Is(err, ErrExhausted) {
			break
		}
		used[a] = true
		got = append(got, a.String())
	}
	want := []string{"10.0.0.1", "10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
