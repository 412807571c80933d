package fabric

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/qa/inside"
)

func TestMain(m *testing.M) { inside.Main(m, "bonding", "8021q") }

// TestInMachine runs the tests that are named TestInside. Cards 0 and 2 are the
// ends of one cable, 1 and 3 those of the other.
func TestInMachine(t *testing.T) { inside.Machine{Cables: 2}.Run(t, "") }

// device finds a card by its permanent address.
func device(t *testing.T, mac string) netlink.Link {
	t.Helper()
	all, err := netlink.LinkList()
	must(t, err)
	for _, l := range all {
		if l.Type() == "device" && l.Attrs().HardwareAddr.String() == mac {
			return l
		}
	}
	t.Fatalf("no card %s", mac)
	return nil
}

// TestInsideBond has a node whose trunk is a bond, with management as a VLAN on
// it, in a round with a new machine. The node's cards stay as they are.
func TestInsideBond(t *testing.T) {
	inside.Only(t)
	cards := []netlink.Link{device(t, inside.MAC(0)), device(t, inside.MAC(1))}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = "bond0", cards[0].Attrs().HardwareAddr
	bond := netlink.NewLinkBond(attrs)
	bond.Mode, bond.Miimon = netlink.BOND_MODE_ACTIVE_BACKUP, 100
	if old, err := netlink.LinkByName("bond0"); err == nil { // the driver's own
		must(t, netlink.LinkDel(old))
	}
	must(t, netlink.LinkAdd(bond))
	for _, c := range cards {
		must(t, errors.Join(netlink.LinkSetDown(c), netlink.LinkSetBondSlave(c, bond)))
	}
	tagged := &netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: "mgmt0", ParentIndex: bond.Attrs().Index}, VlanId: 20}
	address, err := netlink.ParseAddr("10.9.0.5/24")
	must(t, err)
	must(t, errors.Join(netlink.LinkSetUp(bond), netlink.LinkAdd(tagged), netlink.LinkSetUp(tagged), netlink.AddrAdd(tagged, address)))

	if c, err := addressed(inside.MAC(0), netip.MustParseAddr("10.9.0.5")); err != nil || c.Name != "mgmt0" {
		t.Errorf("the address is on %+v, %v; want mgmt0", c, err)
	}
	log := slog.New(slog.DiscardHandler)
	order := plan.FabricOrder{Round: 7, VLANs: []int{100, 137}, MTU: 1500, Seconds: 6}
	var node, new plan.FabricReport
	var all sync.WaitGroup
	all.Go(func() {
		var out strings.Builder
		in := strings.NewReader(`{"round":7,"trunk":"` + inside.MAC(0) + `","vlans":[100,137],"mtu":1500,"seconds":8}`)
		if err := answer(context.Background(), in, &out, log); err != nil {
			t.Error(err)
		}
		node = report(t, out.String())
	})
	all.Go(func() {
		mine := order
		mine.Trunk = inside.MAC(2)
		var err error
		if new, err = Probe(context.Background(), mine, log); err != nil {
			t.Error(err)
		}
	})
	all.Wait()
	for _, vlan := range []int{0, 100, 137} {
		if h := (plan.FabricHeard{MAC: inside.MAC(2), VLAN: vlan, As: vlan, Size: 1500}); !slices.Contains(node.Heard, h) {
			t.Errorf("the node did not hear %+v, but %+v", h, node.Heard)
		}
		if h := (plan.FabricHeard{MAC: inside.MAC(0), VLAN: vlan, As: vlan, Size: 1500}); !slices.Contains(new.Heard, h) {
			t.Errorf("the new machine did not hear %+v, but %+v", h, new.Heard)
		}
	}
}
