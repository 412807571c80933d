package dhcp

import (
	"net/netip"
	"testing"
)

func TestNetworks(t *testing.T) {
	own, conf := newPool(t, nil)
	open := func(name, from, to string) *Pool {
		p, err := OpenPool(PoolConfig{DB: conf.DB, Name: name, From: addr(from), To: addr(to)})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	far := open("far", "10.30.0.100", "10.30.0.199")
	list := []Network{{Prefix: netip.MustParsePrefix("10.30.0.0/24"), Pool: far}}
	n := NewNetworks(own, list)
	n.Aside(open("aside", "169.254.67.10", "169.254.67.20"))

	// One machine boots here, one behind a relay agent.
	n.Saw(one, give(t, own, one))
	n.Saw(two, give(t, far, two))
	for mac, want := range map[string]string{one: "10.20.0.100", two: "10.30.0.100", three: "10.20.0.101"} {
		a, err := n.Pin(mac)
		if err != nil || a != addr(want) {
			t.Errorf("%s is pinned to %s, %v; want %s", mac, a, err, want)
		}
		if got, ok := n.Address(mac); !ok || got != a {
			t.Errorf("%s has %s, want %s", mac, got, a)
		}
		if got, ok := n.Owner(a); !ok || got != mac {
			t.Errorf("%s belongs to %s, want %s", a, got, mac)
		}
	}
	// After a restart it is known where they are.
	n = NewNetworks(own, list)
	if a, ok := n.Address(two); !ok || a != addr("10.30.0.100") {
		t.Errorf("after a restart %s has %s", two, a)
	}
	want := "two claim one address: 10.20.0.50 is named for machine " + two + " in rack.yaml, which is in the network of 10.30.0.100-10.30.0.199"
	if err := n.PinAt(two, addr("10.20.0.50")); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err := n.PinAt(two, addr("10.30.0.50")); err != nil {
		t.Error(err)
	}
}

// The addresses of another server count for who asks, not for what is kept.
func TestNetworksBesideAnotherServer(t *testing.T) {
	own, _ := newPool(t, nil)
	n := NewNetworks(own, nil)
	n.Learn(one, addr("10.20.0.50"))
	n.Learn(two, addr("10.20.0.51"))
	if a, err := n.Pin(one); err != nil || a != addr("10.20.0.100") {
		t.Errorf("pinned %s, %v; want an address of our own range", a, err)
	}
	if a, ok := n.Address(one); !ok || a != addr("10.20.0.50") {
		t.Errorf("has %s, want the one of the other server", a)
	}
	n.Learn(two, addr("10.20.0.50")) // it changed hands
	if mac, ok := n.Owner(addr("10.20.0.50")); !ok || mac != two {
		t.Errorf("10.20.0.50 belongs to %s, want %s", mac, two)
	}
	if _, ok := n.Owner(addr("10.20.0.51")); ok {
		t.Error("an address that was given up has an owner")
	}
	if a, _ := n.Address(one); a != addr("10.20.0.100") {
		t.Errorf("has %s, want what is kept for it", a)
	}
	if mac, ok := n.Owner(addr("10.20.0.100")); !ok || mac != one {
		t.Errorf("10.20.0.100 belongs to %s, want %s", mac, one)
	}
}
