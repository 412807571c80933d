package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
)

// Modes of a bond, as in rack.yaml.
const (
	BondActiveBackup = "active-backup"
	BondLACP         = "802.3ad"
)

// BondName is the bond's name while the machine installs.
const BondName = "bond0"

// A Port says what carries the installer's traffic: one card, or several that
// make a bond, with a tag or without.
type Port struct {
	MAC     string   // of the card, or of the bond: that of its first member
	VLAN    int      // tag, 1 to 4094; 0: untagged
	MTU     int      // bytes; 0: left as it is
	Bond    string   // BondActiveBackup or BondLACP; empty: one card
	Members []string // MACs of the bond's cards
}

// Modules names the drivers that Make needs; the kernel of an initramfs
// cannot ask for them itself.
func (p Port) Modules() []string {
	var list []string
	if p.Bond != "" {
		list = append(list, "bonding")
	}
	if p.VLAN != 0 {
		list = append(list, "8021q")
	}
	return list
}

// Check tells what no machine can do: the field, its value and what is allowed.
func (p Port) Check() error {
	switch {
	case p.VLAN < 0 || p.VLAN > 4094:
		return fmt.Errorf("VLAN is %d; allowed: 1 to 4094, or 0 for none", p.VLAN)
	case p.MTU != 0 && (p.MTU < minMTU || p.MTU > maxMTU):
		return fmt.Errorf("MTU is %d; allowed: %d to %d bytes, or 0 for the card's own", p.MTU, minMTU, maxMTU)
	case p.Bond == "" && len(p.Members) > 0:
		return fmt.Errorf("bond is empty and has members %v; allowed: %s, %s", p.Members, BondActiveBackup, BondLACP)
	case p.Bond == "":
		return nil
	case p.Bond != BondActiveBackup && p.Bond != BondLACP:
		return fmt.Errorf("bond is %q; allowed: %s, %s", p.Bond, BondActiveBackup, BondLACP)
	case len(p.Members) == 0:
		return errors.New("members of the bond are empty; allowed: MAC addresses of cards")
	}
	return nil
}

// Bytes of payload that Ethernet cards and IPv4 agree on.
const (
	minMTU = 576
	maxMTU = 9216
)

// Make makes the port and returns the name of the interface on top, which is
// up. A port that is there already is used as it is, so it can be repeated.
func Make(ctx context.Context, p Port) (string, error) {
	if err := p.Check(); err != nil {
		return "", fmt.Errorf("network port: %w", err)
	}
	link, err := p.base()
	if err != nil {
		return "", err
	}
	if err := p.size(link); err != nil {
		return "", err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return "", fmt.Errorf("network link %s up: %w", link.Attrs().Name, err)
	}
	if p.Bond != "" {
		if err := agreed(ctx, p); err != nil {
			return "", err
		}
	}
	if p.VLAN == 0 {
		return link.Attrs().Name, nil
	}
	return p.tagged(link)
}

// base is the link that frames without a tag go out by.
func (p Port) base() (netlink.Link, error) {
	if p.Bond == "" {
		return card(p.MAC)
	}
	l, err := netlink.LinkByName(BondName)
	if err != nil {
		return p.bond()
	}
	used, err := members(l)
	if err != nil {
		return nil, err
	}
	if used > 0 {
		return l, nil
	}
	// The driver makes an empty one of that name when it is loaded.
	if err := netlink.LinkDel(l); err != nil {
		return nil, fmt.Errorf("remove the empty bond %s: %w", BondName, err)
	}
	return p.bond()
}

// members counts the cards of a bond.
func members(bond netlink.Link) (int, error) {
	all, err := netlink.LinkList()
	if err != nil {
		return 0, fmt.Errorf("network links: %w", err)
	}
	n := 0
	for _, l := range all {
		if l.Attrs().MasterIndex == bond.Attrs().Index {
			n++
		}
	}
	return n, nil
}

// bond makes the bond and puts the members into it. It watches their link
// (miimon), without which it would never fail over.
func (p Port) bond() (_ netlink.Link, err error) {
	var cards []netlink.Link
	for _, mac := range p.Members {
		l, err := card(mac)
		if err != nil {
			return nil, err
		}
		cards = append(cards, l)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = BondName, cards[0].Attrs().HardwareAddr
	b := netlink.NewLinkBond(attrs)
	b.Mode, b.Miimon = netlink.StringToBondMode(p.Bond), int(watchLinks.Milliseconds())
	if p.Bond == BondLACP {
		b.LacpRate, b.XmitHashPolicy = netlink.BOND_LACP_RATE_FAST, netlink.BOND_XMIT_HASH_POLICY_LAYER3_4
	}
	if err := netlink.LinkAdd(b); err != nil {
		return nil, fmt.Errorf("make bond of %v: %w", p.Members, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, netlink.LinkDel(b))
		}
	}()
	for _, l := range cards {
		if err := enslave(l, b); err != nil {
			return nil, err
		}
	}
	return netlink.LinkByName(BondName)
}

// watchLinks is how often a bond looks whether its members have link.
const watchLinks = 100 * time.Millisecond

// enslave puts a card into a bond, which takes only cards that are down.
func enslave(l netlink.Link, b *netlink.Bond) error {
	name := l.Attrs().Name
	if err := netlink.LinkSetDown(l); err != nil {
		return fmt.Errorf("network link %s down: %w", name, err)
	}
	if err := netlink.LinkSetBondSlave(l, b); err != nil {
		return fmt.Errorf("put %s (%s) into the bond: %w", name, l.Attrs().HardwareAddr, err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("network link %s up: %w", name, err)
	}
	return nil
}

// size sets the MTU of the card or the bond; a bond sets its members'. One
// that is not large enough already only grows: VLANs on it may need it.
func (p Port) size(l netlink.Link) error {
	if p.MTU == 0 || l.Attrs().MTU == p.MTU {
		return nil
	}
	if err := netlink.LinkSetMTU(l, p.MTU); err != nil {
		return fmt.Errorf("MTU %d of %s: %w", p.MTU, l.Attrs().Name, err)
	}
	return nil
}

// tagged makes the interface for the VLAN.
func (p Port) tagged(on netlink.Link) (string, error) {
	name := fmt.Sprintf("%s.%d", on.Attrs().Name, p.VLAN)
	if len(name) > maxName {
		name = fmt.Sprintf("vlan%d", p.VLAN)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex, attrs.MTU = name, on.Attrs().Index, p.MTU
	l := &netlink.Vlan{LinkAttrs: attrs, VlanId: p.VLAN}
	if err := netlink.LinkAdd(l); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("make VLAN %d on %s: %w", p.VLAN, on.Attrs().Name, err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return "", fmt.Errorf("network link %s up: %w", name, err)
	}
	return name, nil
}

// maxName is the length of the longest name of an interface (IFNAMSIZ less
// the final zero).
const maxName = 15

// agreePatience is how long a bond may take until it can send: link up is not
// forwarding, and LACP needs some seconds.
const agreePatience = time.Minute

// agreed waits until the bond has a carrier; with LACP that is when the
// switch has answered.
func agreed(ctx context.Context, p Port) error {
	for end := time.Now().Add(agreePatience); ; {
		l, err := netlink.LinkByName(BondName)
		if err != nil {
			return fmt.Errorf("bond: %w", err)
		}
		if l.Attrs().OperState == netlink.OperUp && partner(p.Bond) {
			return nil
		}
		if time.Now().After(end) {
			return p.stuck()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("bond: %w", context.Cause(ctx))
		case <-time.After(watchLinks):
		}
	}
}

// partner tells whether a switch has answered LACP. A bond without an answer
// uses one of its cards and looks as if it worked.
func partner(mode string) bool {
	if mode != BondLACP {
		return true
	}
	b, err := os.ReadFile(filepath.Join("/sys/class/net", BondName, "bonding/ad_partner_mac"))
	return err != nil || strings.TrimSpace(string(b)) != "00:00:00:00:00:00"
}

// stuck says what to look at when the bond does not come up.
func (p Port) stuck() error {
	if p.Bond == BondLACP {
		return fmt.Errorf("the bond of %v had no LACP answer for %s; configure LACP on the switch ports of these cards, or use %s",
			p.Members, agreePatience, BondActiveBackup)
	}
	return fmt.Errorf("the bond of %v had no link for %s; plug in a cable", p.Members, agreePatience)
}

// card finds the hardware card with that address: bonds and VLANs on it have
// the same, and members of a bond show the bond's.
func card(mac string) (netlink.Link, error) {
	want, err := net.ParseMAC(mac)
	if err != nil {
		return nil, fmt.Errorf("network card %q; allowed: a MAC address", mac)
	}
	all, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("network links: %w", err)
	}
	for _, l := range all {
		if slices.Contains([]string{"vlan", "bond", "bridge", "macvlan"}, l.Type()) {
			continue
		}
		a := l.Attrs()
		own := a.PermHWAddr
		if len(own) == 0 {
			own = a.HardwareAddr
		}
		if slices.Equal(own, want) {
			return l, nil
		}
	}
	return nil, fmt.Errorf("no network card has the address %s", mac)
}

// ParseVLAN reads the tag of the kernel line; empty is none.
func ParseVLAN(word string) (int, error) {
	if word == "" {
		return 0, nil
	}
	id, err := strconv.Atoi(word)
	if err != nil || id < 1 || id > 4094 {
		return 0, fmt.Errorf("cairn.vlan is %q; allowed: 1 to 4094", word)
	}
	return id, nil
}
