package dhcp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

const one, two, three = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"

func TestWrittenAddresses(t *testing.T) {
	now := time.Now()
	p, conf := newPool(t, func(c *PoolConfig) {
		c.Now = func() time.Time { return now }
		c.Static = map[string]netip.Addr{one: addr("10.20.0.50"), two: addr("10.20.0.100")}
	})
	for mac, want := range map[string]string{one: "10.20.0.50", two: "10.20.0.100", three: "10.20.0.101"} {
		for range 2 {
			if a := give(t, p, mac); a != addr(want) {
				t.Errorf("%s got %s, want %s", mac, a, want)
			}
		}
	}
	if _, err := p.Pin(one); err != nil {
		t.Fatal(err)
	}
	if a, _ := p.Pin(one); a != addr("10.20.0.50") {
		t.Errorf("pinned %s, want 10.20.0.50", a)
	}
	// It is another one in the rack.yaml of the next start.
	conf.Static = map[string]netip.Addr{one: addr("10.20.0.51")}
	p, err := OpenPool(*conf)
	if err != nil {
		t.Fatal(err)
	}
	if a := give(t, p, one); a != addr("10.20.0.51") {
		t.Errorf("got %s, want the address that rack.yaml names now, 10.20.0.51", a)
	}
}

func TestConflictsAreNamed(t *testing.T) {
	now := time.Now()
	open := func(change func(*PoolConfig)) (*Pool, error) {
		_, conf := newPool(t, nil)
		conf.Now = func() time.Time { return now }
		if change != nil {
			change(conf)
		}
		return OpenPool(*conf)
	}
	for want, do := range map[string]func() error{
		"two claim one address: 10.20.0.11 is named for machine " + one + " in rack.yaml and is the deployer's own or the controller's; name another": func() error {
			_, err := open(func(c *PoolConfig) {
				c.Reserved, c.Static = []netip.Addr{addr("10.20.0.11")}, map[string]netip.Addr{one: addr("10.20.0.11")}
			})
			return err
		},
		"two claim one address: 10.20.0.50 is named for the machines " + one + " and " + two + " in rack.yaml; name another for one of them": func() error {
			_, err := open(func(c *PoolConfig) {
				c.Static = map[string]netip.Addr{one: addr("10.20.0.50"), two: addr("10.20.0.50")}
			})
			return err
		},
		"two claim one address: 10.20.0.50 is the address of machine " + one + " in rack.yaml, and another device (" + three + ") has it; look for it in the switches' tables": func() error {
			p, err := open(func(c *PoolConfig) { c.Static = map[string]netip.Addr{one: addr("10.20.0.50")} })
			if err != nil {
				return err
			}
			a, err := p.Offer(one)
			if err != nil {
				return err
			}
			p.Prove(one, a, three)
			_, err = p.Offer(one)
			return err
		},
		"two claim one address: 10.20.0.100 is the address of machine " + one + " in rack.yaml, and the permanent one of machine " + two + "; name another, or reinstall that one": func() error {
			p, err := open(nil)
			if err != nil {
				return err
			}
			if _, err := p.Pin(two); err != nil {
				return err
			}
			return p.PinAt(one, addr("10.20.0.100"))
		},
		"every address of the range is in use: 10.20.0.100-10.20.0.100": func() error {
			p, err := open(func(c *PoolConfig) { c.To = c.From })
			if err != nil {
				return err
			}
			give(t, p, one)
			_, err = p.Offer(two)
			return err
		},
	} {
		if err := do(); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// A machine whose address is told during its installation gives the one up
// that it has, which nobody else gets while it may be used still.
func TestAddressTurnsUpLate(t *testing.T) {
	p, conf := newPool(t, nil)
	old := give(t, p, one)
	for range 2 {
		if err := p.PinAt(one, addr("10.20.0.50")); err != nil {
			t.Fatal(err)
		}
	}
	if a := give(t, p, two); a == old {
		t.Errorf("%s was given while its last owner may still use it", a)
	}
	p, err := OpenPool(*conf)
	if err != nil {
		t.Fatal(err)
	}
	if a, ok := p.Address(one); !ok || a != addr("10.20.0.50") {
		t.Errorf("after a restart it has %s, want 10.20.0.50", a)
	}
}

// TestWireIsAskedFirst has another device sit on the first address.
func TestWireIsAskedFirst(t *testing.T) {
	p, _ := newPool(t, nil)
	r, _ := newResponder(t, p)
	var asked []netip.Addr
	r.conf.Probe = func(a netip.Addr) string {
		asked = append(asked, a)
		switch a {
		case addr("10.20.0.100"):
			return three
		case addr("10.20.0.101"):
			return one // the machine has it already, from an earlier life
		}
		return ""
	}
	offer, why := r.Handle(sent(t, 1, dhcpv4.MessageTypeDiscover, ipxe()))
	if why != DropNone || toAddr(offer.YourIPAddr) != addr("10.20.0.101") {
		t.Fatalf("got %s, want 10.20.0.101", shown(offer, why))
	}
	r.Handle(sent(t, 1, dhcpv4.MessageTypeDiscover, ipxe())) // proven already
	if len(asked) != 2 {
		t.Errorf("asked for %v, want each address once", asked)
	}
	if c := r.conf.Count.(*tallies); c.counts["address-in-use"] != 1 || c.counts["OFFER"] != 2 {
		t.Errorf("counted %v", c.counts)
	}
	// A second question for the same machine waits for the first.
	p.Prove(one, addr("10.20.0.101"), two)
	r.conf.Probe = func(netip.Addr) string {
		if _, why := r.Handle(sent(t, 1, dhcpv4.MessageTypeDiscover, ipxe())); why != DropProbing {
			t.Errorf("in between: %s, want %s", why, DropProbing)
		}
		return ""
	}
	if _, why := r.Handle(sent(t, 1, dhcpv4.MessageTypeDiscover, ipxe())); why != DropNone {
		t.Error(why)
	}
	// Everything is taken.
	r.conf.Probe = func(netip.Addr) string { return three }
	if out, why := r.Handle(sent(t, 2, dhcpv4.MessageTypeDiscover, ipxe())); why != DropExhausted {
		t.Errorf("got %s, want %s", shown(out, why), DropExhausted)
	}
}

// TestAddressByUUID gives a machine that rack.yaml knows by its UUID alone its
// address, whichever way round the firmware says it.
func TestAddressByUUID(t *testing.T) {
	const id = "30313233-3435-3637-3839-616263646566" // as iPXE sends it
	for kind, raw := range map[string]string{"iPXE": "\x000123456789abcdef", "firmware": "\x003210547689abcdef"} {
		p, _ := newPool(t, nil)
		r, _ := newResponder(t, p)
		r.conf.Named = func(c Client) (netip.Addr, bool) {
			for _, m := range c.Machines {
				if m == id {
					return addr("10.20.0.50"), true
				}
			}
			return netip.Addr{}, false
		}
		says := dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.OptionClientMachineIdentifier, []byte(raw)))
		out, why := r.Handle(sent(t, 1, dhcpv4.MessageTypeDiscover, ipxe(), says))
		if why != DropNone || toAddr(out.YourIPAddr) != addr("10.20.0.50") {
			t.Errorf("%s: got %s, want 10.20.0.50", kind, shown(out, why))
		}
		if out, why := r.Handle(sent(t, 2, dhcpv4.MessageTypeDiscover, ipxe(), says)); why != DropConflict {
			t.Errorf("%s, a second card of it: got %s, want %s", kind, shown(out, why), DropConflict)
		}
	}
}
