package filter

import (
	"net/netip"
	"testing"

	"github.com/cairn-cloud/cairn/node/spec"
	"github.com/google/go-cmp/cmp"
)

func members(group string) []netip.Addr {
	if group == "web" {
		return []netip.Addr{
			netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("10.0.0.3"),
			netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("fd00::3"),
		}
	}
	return nil
}

func TestAllowed(t *testing.T) {
	prefixes := func(s ...string) (out []netip.Prefix) {
		for _, p := range s {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	got := Allowed([]Rule{
		{Direction: "egress", EtherType: "IPv4"},
		{Direction: "ingress", EtherType: "IPv4", Protocol: "tcp", PortMin: 22, PortMax: 22, RemotePrefix: netip.MustParsePrefix("192.0.2.9/24")},
		{Direction: "ingress", EtherType: "IPv4", RemoteGroup: "web"},
		{Direction: "ingress", EtherType: "IPv6", RemoteGroup: "web"},
		{Direction: "ingress", EtherType: "IPv4", RemoteGroup: "empty"},
		{Direction: "ingress", EtherType: "IPv4", Protocol: "icmp", RemotePrefix: netip.MustParsePrefix("0.0.0.0/0")},
	}, members)
	want := []spec.Rule{
		{},
		{Ingress: true, Protocol: "tcp", PortMin: 22, PortMax: 22, Remotes: prefixes("192.0.2.0/24")},
		{Ingress: true, Remotes: prefixes("10.0.0.3/32", "10.0.0.9/32")},
		{Ingress: true, IPv6: true, Remotes: prefixes("fd00::3/128")},
		{Ingress: true, Protocol: "icmp"},
	}
	same := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Error(diff)
	}
}

func TestProtocol(t *testing.T) {
	for in, want := range map[string]string{"any": "", "6": "tcp", "udp": "udp", "1": "icmp", "icmpv6": "icmp"} {
		if got, ok := Protocol(in); got != want || !ok {
			t.Errorf("Protocol(%q) = %q, %v", in, got, ok)
		}
	}
	if _, ok := Protocol("sctp"); ok {
		t.Error("sctp is not filtered by hosts and has to be refused")
	}
}
