package network

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/server4"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/cairn-cloud/cairn/qa/inside"
)

func TestPortsThatCannotBe(t *testing.T) {
	for want, p := range map[string]Port{
		"VLAN is 4095; allowed: 1 to 4094, or 0 for none":                    {VLAN: 4095},
		"VLAN is -1; allowed: 1 to 4094, or 0 for none":                      {VLAN: -1},
		"MTU is 100; allowed: 576 to 9216 bytes, or 0 for the card's own":    {MTU: 100},
		"bond is empty and has members [x]; allowed: active-backup, 802.3ad": {Members: []string{"x"}},
		`bond is "balance-rr"; allowed: active-backup, 802.3ad`:              {Bond: "balance-rr", Members: []string{"x"}},
		"members of the bond are empty; allowed: MAC addresses of cards":     {Bond: BondLACP},
		`network card "eth0"; allowed: a MAC address`:                        {MAC: "eth0"},
		"no network card has the address 02:00:00:00:00:99":                  {MAC: "02:00:00:00:00:99"},
		`no network card has the address 02:00:00:00:00:98`:                  {Bond: BondLACP, Members: []string{"02:00:00:00:00:98"}},
	} {
		if _, err := Make(t.Context(), p); err == nil || strings.TrimPrefix(err.Error(), "network port: ") != want {
			t.Errorf("%+v: got %v, want %s", p, err, want)
		}
	}
	for word, want := range map[string]string{
		"0": `cairn.vlan is "0"; allowed: 1 to 4094`, "4095": `cairn.vlan is "4095"; allowed: 1 to 4094`, "x": `cairn.vlan is "x"; allowed: 1 to 4094`,
	} {
		if _, err := ParseVLAN(word); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", word, err, want)
		}
	}
	if id, err := ParseVLAN("20"); id != 20 || err != nil {
		t.Errorf("got %d, %v; want 20", id, err)
	}
}

// A far is the other end of the machine's cables: cards 2 and 3 in a
// namespace of their own, with a DHCP server.
type far struct {
	ns   netns.NsHandle
	name string // of the interface that the server is on
}

// do runs f on a thread that is in the far end's namespace.
func (f *far) do(t *testing.T, what func() error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	if err := errors.Join(netns.Set(f.ns), what(), netns.Set(home)); err != nil {
		t.Fatal(err)
	}
}

// newFar moves cards 2 and 3 away and makes the port p of them.
func newFar(t *testing.T, p Port) *far {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	f := &far{}
	if f.ns, err = netns.New(); err != nil {
		t.Fatal(err)
	}
	if err := netns.Set(home); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{2, 3} {
		l, err := card(inside.MAC(n))
		if err == nil {
			err = netlink.LinkSetNsFd(l, int(f.ns))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f.do(t, func() (err error) {
		if p.Bond == BondLACP { // agreed would wait for our own end
			var b netlink.Link
			if b, err = p.bond(); err == nil {
				err = netlink.LinkSetUp(b)
			}
			if err == nil {
				f.name, err = p.tagged(b)
			}
			return err
		}
		f.name, err = Make(t.Context(), p)
		return err
	})
	f.serve(t)
	return f
}

// serve gives every client 10.9.0.2 until the test ends.
func (f *far) serve(t *testing.T) {
	t.Helper()
	f.do(t, func() error {
		l, err := netlink.LinkByName(f.name)
		if err != nil {
			return err
		}
		addr, err := netlink.ParseAddr("10.9.0.1/24")
		if err == nil {
			err = netlink.AddrReplace(l, addr)
		}
		if err != nil {
			return err
		}
		s, err := server4.NewServer(f.name, &net.UDPAddr{Port: dhcpv4.ServerPort}, func(c net.PacketConn, _ net.Addr, m *dhcpv4.DHCPv4) {
			kind := dhcpv4.MessageTypeOffer
			if m.MessageType() == dhcpv4.MessageTypeRequest {
				kind = dhcpv4.MessageTypeAck
			}
			out, err := dhcpv4.NewReplyFromRequest(m, dhcpv4.WithMessageType(kind), dhcpv4.WithYourIP(net.IPv4(10, 9, 0, 2)),
				dhcpv4.WithServerIP(net.IPv4(10, 9, 0, 1)), dhcpv4.WithNetmask(net.CIDRMask(24, 32)), dhcpv4.WithLeaseTime(600),
				dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IPv4(10, 9, 0, 1))))
			if err == nil {
				_, _ = c.WriteTo(out.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ClientPort})
			}
		})
		if err != nil {
			return err
		}
		go func() { _ = s.Serve() }() // ends when it is closed
		t.Cleanup(func() { _ = s.Close() })
		return nil
	})
}

// home takes everything down again.
func (f *far) home(t *testing.T, made ...string) {
	t.Helper()
	root, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f.do(t, func() error {
		for _, n := range []int{2, 3} {
			l, err := card(inside.MAC(n))
			if err != nil {
				return err
			}
			if err := errors.Join(netlink.LinkSetNoMaster(l), netlink.LinkSetNsFd(l, int(root))); err != nil {
				return err
			}
		}
		return nil
	})
	for _, name := range made {
		if l, err := netlink.LinkByName(name); err == nil {
			if err := netlink.LinkDel(l); err != nil {
				t.Error(err)
			}
		}
	}
	if err := f.ns.Close(); err != nil {
		t.Error(err)
	}
}

// lease asks for an address on our end.
func lease(t *testing.T, name string) Lease {
	t.Helper()
	l, err := DHCP(t.Context(), name, t.Logf, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if want := netip.MustParsePrefix("10.9.0.2/24"); l.Address != want || l.Interface != name {
		t.Errorf("got %+v, want %s on %s", l, want, name)
	}
	return l
}

func TestInsideVLAN(t *testing.T) {
	inside.Only(t)
	f := newFar(t, Port{MAC: inside.MAC(2), VLAN: 20})
	p := Port{MAC: inside.MAC(0), VLAN: 20, MTU: 1400}
	for range 2 { // the second time everything is there
		name, err := Make(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := l.(*netlink.Vlan); !ok || v.VlanId != 20 || v.MTU != 1400 {
			t.Errorf("got %s %+v, want VLAN 20 with an MTU of 1400", l.Type(), l)
		}
		lease(t, name)
	}
	// The card alone is on another network.
	link, err := card(inside.MAC(0))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if l, err := ask(ctx, link.Attrs().Name); err == nil {
		t.Errorf("an untagged card got %+v from a tagged network", l)
	}
	f.home(t, link.Attrs().Name+".20")
}

func TestInsideActiveBackup(t *testing.T) {
	inside.Only(t)
	// The far end has both cards in one network by a bond of its own.
	f := newFar(t, Port{Bond: BondActiveBackup, Members: []string{inside.MAC(2)}, MTU: 1400})
	name, err := Make(t.Context(), Port{Bond: BondActiveBackup, Members: []string{inside.MAC(0), inside.MAC(1)}, MTU: 1400})
	if err != nil {
		t.Fatal(err)
	}
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	b, ok := l.(*netlink.Bond)
	if !ok || b.Mode != netlink.BOND_MODE_ACTIVE_BACKUP || b.Miimon != 100 || b.MTU != 1400 || b.HardwareAddr.String() != inside.MAC(0) {
		t.Errorf("got %+v, want an active-backup bond with the MAC of its first member", l)
	}
	lease(t, name)
	f.home(t, name)
}

func TestInsideLACP(t *testing.T) {
	inside.Only(t)
	f := newFar(t, Port{Bond: BondLACP, Members: []string{inside.MAC(2), inside.MAC(3)}, VLAN: 30})
	name, err := Make(t.Context(), Port{Bond: BondLACP, Members: []string{inside.MAC(0), inside.MAC(1)}, VLAN: 30})
	if err != nil {
		t.Fatal(err)
	}
	if name != "bond0.30" {
		t.Errorf("got %s, want bond0.30", name)
	}
	lease(t, name)
	f.home(t, name, BondName)
}

func TestABondThatDoesNotComeUp(t *testing.T) {
	for mode, want := range map[string]string{
		BondLACP:         "the bond of [a b] had no LACP answer for 1m0s; configure LACP on the switch ports of these cards, or use active-backup",
		BondActiveBackup: "the bond of [a b] had no link for 1m0s; plug in a cable",
	} {
		if got := (Port{Bond: mode, Members: []string{"a", "b"}}).stuck().Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
