package vswitch

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	machine "github.com/cairn-cloud/cairn/qa/inside"
)

func TestMain(m *testing.M) { machine.Main(m, "bridge", "8021q", "bonding") }

// TestInMachine runs the tests that are named TestInside.
func TestInMachine(t *testing.T) { machine.Machine{Cables: 1}.Run(t, "") }

// do runs f in the namespace.
func do(t *testing.T, ns netns.NsHandle, f func() error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	if err := errors.Join(netns.Set(ns), f(), netns.Set(home)); err != nil {
		t.Fatal(err)
	}
}

// vlanOn makes a VLAN's interface with an address; VLAN 0 is the device itself.
func vlanOn(device string, vlan int, address string) error {
	l, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return err
	}
	if vlan != 0 {
		name := fmt.Sprintf("%s.%d", device, vlan)
		err := netlink.LinkAdd(&netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: name, ParentIndex: l.Attrs().Index}, VlanId: vlan})
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if l, err = netlink.LinkByName(name); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
	}
	a, err := netlink.ParseAddr(address)
	if err != nil {
		return err
	}
	return netlink.AddrReplace(l, a)
}

// reaches tells whether an echo at the address answers.
func reaches(address string) bool { return echo(address, 500*time.Millisecond, 20) }

// echo tells whether one of so many packets comes back in time.
func echo(address string, patience time.Duration, tries int) bool {
	c, err := net.Dial("udp4", address+":7")
	if err != nil {
		return false
	}
	defer c.Close()
	for range tries {
		if _, err := c.Write([]byte("x")); err != nil {
			time.Sleep(100 * time.Millisecond) // nobody answers ARP yet
			continue
		}
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return false
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			return true
		}
	}
	return false
}

// TestInsideSharedTrunk has one card carry management, untagged and as VLAN
// 20, and the VLANs of guests, whose end is the bridge here.
func TestInsideSharedTrunk(t *testing.T) {
	machine.Only(t)
	card, err := linkByMAC(machine.MAC(0))
	if err != nil || card == nil {
		t.Fatal(card, err)
	}
	other, err := linkByMAC(machine.MAC(1))
	if err != nil || other == nil {
		t.Fatal(other, err)
	}
	farEnd(t, other)
	if err := errors.Join(vlanOn("lo", 0, "127.0.0.1/8"), vlanOn(card.Attrs().Name, 0, "10.1.0.1/24"), vlanOn(card.Attrs().Name, 20, "10.2.0.1/24")); err != nil {
		t.Fatal(err)
	}
	s := New(Options{Bridge: "br-tenant", TrunkMAC: machine.MAC(0), SharedTrunk: true, Log: slog.New(slog.DiscardHandler)})
	if err := s.ensureBridge(); err != nil {
		t.Fatal(err)
	}
	trunk, err := s.findTrunk()
	if err != nil || trunk == nil {
		t.Fatal(trunk, err)
	}
	for range 2 { // the second time everything is there
		if err := s.joinTrunk(trunk, []int{100, 101}); err != nil {
			t.Fatal(err)
		}
	}
	// The bridge itself is a guest in VLAN 100, as far as the wire can tell.
	bridge, err := netlink.LinkByName("br-tenant")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(netlink.BridgeVlanAdd(bridge, 100, false, false, true, false), vlanOn("br-tenant", 100, "10.3.0.1/24"),
		netlink.BridgeVlanAdd(bridge, 101, false, false, true, false), vlanOn("br-tenant", 101, "10.4.0.1/24")); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"10.1.0.2": true, "10.2.0.2": true, "10.3.0.2": true, "10.4.0.2": true}
	expect(t, want)
	// Nobody is in VLAN 101 any more: what comes with its tag goes nowhere.
	if err := s.joinTrunk(trunk, []int{100}); err != nil {
		t.Fatal(err)
	}
	want["10.4.0.2"] = false
	expect(t, want)
	// Management does not depend on the bridge.
	if err := netlink.LinkDel(bridge); err != nil {
		t.Fatal(err)
	}
	want["10.3.0.2"] = false
	expect(t, want)
	undisturbed(t, func() {
		for range 5 {
			if err := errors.Join(s.ensureBridge(), s.joinTrunk(trunk, []int{100, 101}), s.joinTrunk(trunk, []int{101})); err != nil {
				t.Fatal(err)
			}
			if bridge, err = netlink.LinkByName("br-tenant"); err == nil {
				err = netlink.LinkDel(bridge)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}, "10.1.0.2", "10.2.0.2")
}

// undisturbed does something over and over while echoes go there and back, and
// loses none of them.
func undisturbed(t *testing.T, do func(), addresses ...string) {
	t.Helper()
	var over atomic.Bool
	var all sync.WaitGroup
	for _, a := range addresses {
		all.Go(func() {
			n := 0
			for ; !over.Load() || n == 0; n++ {
				if !echo(a, 10*time.Second, 1) {
					t.Errorf("echo %d of %s was lost", n, a)
					return
				}
			}
			t.Logf("%d echoes of %s", n, a)
		})
	}
	do()
	over.Store(true)
	all.Wait()
}

// TestSharedTrunkHasNoGuestsInManagement: a project network that is the
// management network is refused.
func TestSharedTrunkHasNoGuestsInManagement(t *testing.T) {
	s := New(Options{SharedTrunk: true, ManagementVLAN: 101, Log: slog.New(slog.DiscardHandler)})
	err := s.Connect(t.Context(), Wiring{Ports: testPorts()[:1]})
	want := "port " + testPorts()[0].ID + ": vlan is 101, that of the management network; allowed: any other"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func expect(t *testing.T, want map[string]bool) {
	t.Helper()
	for address, ok := range want {
		if got := reaches(address); got != ok {
			t.Errorf("%s answers: %v, want %v", address, got, ok)
		}
	}
}

// farEnd puts a card into a namespace with all networks, and answers there.
func farEnd(t *testing.T, card netlink.Link) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := netns.New()
	if err == nil {
		err = errors.Join(netns.Set(home), netlink.LinkSetNsFd(card, int(ns)))
	}
	if err != nil {
		t.Fatal(err)
	}
	name := card.Attrs().Name
	do(t, ns, func() error {
		for i, vlan := range []int{0, 20, 100, 101} {
			if err := vlanOn(name, vlan, fmt.Sprintf("10.%d.0.2/24", i+1)); err != nil {
				return err
			}
		}
		c, err := net.ListenPacket("udp4", ":7")
		if err != nil {
			return err
		}
		go func() { // ends with the machine
			buf := make([]byte, 1)
			for {
				n, from, err := c.ReadFrom(buf)
				if err == nil {
					_, err = c.WriteTo(slices.Clone(buf[:n]), from)
				}
				if errors.Is(err, net.ErrClosed) {
					return
				}
			}
		}()
		return nil
	})
}

// TestInsideTrunkIsABond finds the bond, whose members have its MAC.
func TestInsideTrunkIsABond(t *testing.T) {
	machine.Only(t)
	card, err := linkByMAC(machine.MAC(0))
	if err != nil || card == nil {
		t.Fatal(card, err)
	}
	s := New(Options{TrunkMAC: machine.MAC(0), SharedTrunk: true, TrunkBond: true, Log: slog.New(slog.DiscardHandler)})
	if l, err := s.findTrunk(); err != nil || l != nil {
		t.Errorf("before there is a bond: got %v, %v; want none", l, err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = "bond7", card.Attrs().HardwareAddr
	bond := netlink.NewLinkBond(attrs)
	bond.Mode = netlink.BOND_MODE_ACTIVE_BACKUP
	if err := errors.Join(netlink.LinkAdd(bond), netlink.LinkSetDown(card), netlink.LinkSetBondSlave(card, bond)); err != nil {
		t.Fatal(err)
	}
	if l, err := s.findTrunk(); err != nil || l == nil || l.Attrs().Name != "bond7" || s.trunk != "bond7" {
		t.Errorf("got %v, %v; want bond7", l, err)
	}
}
