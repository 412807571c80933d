package dhcp

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func give(t *testing.T, p *Pool, mac string) netip.Addr {
	t.Helper()
	a, err := p.Offer(mac)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Commit(mac, a); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestLeasesOutliveARestart(t *testing.T) {
	p, conf := newPool(t, nil)
	a := give(t, p, "52:54:00:00:00:01")
	b, err := p.Pin("52:54:00:00:00:02")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Offer("52:54:00:00:00:03"); err != nil { // never taken
		t.Fatal(err)
	}
	p, err = OpenPool(*conf)
	if err != nil {
		t.Fatal(err)
	}
	for mac, want := range map[string]netip.Addr{"52:54:00:00:00:01": a, "52:54:00:00:00:02": b} {
		if got, ok := p.Address(mac); !ok || got != want {
			t.Errorf("%s has %s after a restart, want %s", mac, got, want)
		}
		if got, ok := p.Owner(want); !ok || got != mac {
			t.Errorf("%s belongs to %s, want %s", want, got, mac)
		}
	}
	if _, ok := p.Address("52:54:00:00:00:03"); ok {
		t.Error("an offer that was never taken outlived a restart")
	}
}

func TestAddressesAreReusedOldestFirst(t *testing.T) {
	now := time.Now()
	p, conf := newPool(t, func(c *PoolConfig) { c.Now = func() time.Time { return now } })
	var first netip.Addr
	for n := range 4 {
		a := give(t, p, fmt.Sprintf("52:54:00:00:00:%02x", n))
		if n == 1 {
			first = a
		}
		now = now.Add(time.Second)
	}
	if _, err := p.Pin("52:54:00:00:00:00"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Offer("52:54:00:00:00:aa"); !errors.Is(err, ErrExhausted) {
		t.Errorf("got %v, want %v", err, ErrExhausted)
	}
	now = now.Add(13 * time.Hour)
	got := give(t, p, "52:54:00:00:00:aa")
	if got != first {
		t.Errorf("got %s, want %s: it ran out first, and the one before it is pinned", got, first)
	}
	p, err := OpenPool(*conf)
	if err != nil {
		t.Fatal(err)
	}
	if mac, _ := p.Owner(first); mac != "52:54:00:00:00:aa" {
		t.Errorf("after a restart %s belongs to %s", first, mac)
	}
	if _, ok := p.Address("52:54:00:00:00:01"); ok {
		t.Error("the machine that lost its address has one again after a restart")
	}
}

func TestDeclinedAddressIsPutAside(t *testing.T) {
	now := time.Now()
	p, _ := newPool(t, func(c *PoolConfig) { c.Now = func() time.Time { return now } })
	const mac = "52:54:00:00:00:01"
	a := give(t, p, mac)
	if err := p.Decline(mac, a); err != nil {
		t.Fatal(err)
	}
	if b := give(t, p, mac); b == a {
		t.Errorf("the declined address %s was given again", a)
	}
	if err := p.Decline("52:54:00:00:00:02", a); !errors.Is(err, ErrForeign) {
		t.Errorf("declining what one has not: got %v, want %v", err, ErrForeign)
	}
	now = now.Add(quarantine + time.Second)
	give(t, p, "52:54:00:00:00:02") // the rest of the range
	give(t, p, "52:54:00:00:00:03")
	if b := give(t, p, "52:54:00:00:00:04"); b != a {
		t.Errorf("got %s, want %s, whose quarantine is over", b, a)
	}
}

func TestReservedAddressIsNeverGiven(t *testing.T) {
	p, _ := newPool(t, func(c *PoolConfig) { c.Reserved = []netip.Addr{c.From} })
	if a := give(t, p, "52:54:00:00:00:01"); a.String() != "10.20.0.101" {
		t.Errorf("got %s, want 10.20.0.101", a)
	}
}

func TestPinnedAddressStays(t *testing.T) {
	p, _ := newPool(t, nil)
	const mac = "52:54:00:00:00:01"
	a, err := p.Pin(mac)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Release(mac), p.Decline(mac, a)); err != nil {
		t.Fatal(err)
	}
	if b := give(t, p, mac); a != b {
		t.Errorf("got %s, want %s", b, a)
	}
}

func TestEmptyRangeIsRefused(t *testing.T) {
	for _, c := range []PoolConfig{
		{}, {From: netip.MustParseAddr("10.0.0.2"), To: netip.MustParseAddr("10.0.0.1")},
		{From: netip.MustParseAddr("::1"), To: netip.MustParseAddr("::2")},
	} {
		if _, err := OpenPool(c); err == nil {
			t.Errorf("range %s-%s was accepted", c.From, c.To)
		}
	}
}
