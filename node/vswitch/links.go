package vswitch

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/node/spec"
)

// dumpTries bounds how often a list is asked for again that changed while it
// was being read.
const dumpTries = 10

// dump asks for a list until it was read in one piece.
func dump[T any](list func() (T, error)) (T, error) {
	for range dumpTries {
		all, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return list()
}

// link returns a device, nil when there is none of that name.
func link(name string) (netlink.Link, error) {
	l, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", name, err)
	}
	return l, nil
}

// ensureBridge makes the bridge. A bridge without VLAN filtering would join
// all projects, so one that cannot filter is an error.
func (s *Switch) ensureBridge() error {
	name := s.options.Bridge
	l, err := link(name)
	if err != nil {
		return err
	}
	if l == nil {
		if l, err = s.makeBridge(name); err != nil {
			return err
		}
	}
	b, ok := l.(*netlink.Bridge)
	if !ok {
		return fmt.Errorf("device %s is a %s; allowed: a bridge", name, l.Type())
	}
	if !s.options.Plain && (b.VlanFiltering == nil || !*b.VlanFiltering) {
		return fmt.Errorf("bridge %s does not filter VLANs", name)
	}
	if b.Attrs().Flags&net.FlagUp != 0 {
		return nil
	}
	silence(name)
	return wrap(netlink.LinkSetUp(l), "bridge "+name)
}

func (s *Switch) makeBridge(name string) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	b := &netlink.Bridge{LinkAttrs: attrs}
	if !s.options.Plain {
		yes, none := true, uint16(0)
		b.VlanFiltering, b.VlanDefaultPVID = &yes, &none
	}
	if err := netlink.LinkAdd(b); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("make bridge %s: %w", name, err)
	}
	return link(name)
}

func wrap(err error, what string) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// silence keeps the host itself from speaking IPv6 on a device that is not
// its own. A kernel without IPv6 has nothing to silence.
func silence(device string) {
	_ = os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", device, "disable_ipv6"), []byte("1\n"), 0)
}

// findTrunk returns the tenant NIC, nil when there is none.
func (s *Switch) findTrunk() (netlink.Link, error) {
	s.trunk = ""
	if s.options.TrunkMAC == "" {
		return nil, nil
	}
	l, err := linkByMAC(s.options.TrunkMAC)
	if err != nil || l == nil || s.options.TrunkBond && l.Type() != "bond" {
		return nil, err
	}
	s.trunk = l.Attrs().Name
	if !s.options.SharedTrunk {
		silence(s.trunk)
	}
	return l, nil
}

// linkByMAC returns the hardware device with a MAC, or the bond that has it of
// its first member. Bridges and VLAN devices on top of it have the same, as
// have all members of a bond.
func linkByMAC(mac string) (netlink.Link, error) {
	all, err := dump(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	var card netlink.Link
	for _, l := range all {
		switch {
		case l.Attrs().HardwareAddr.String() != mac, l.Type() == "bridge", l.Type() == "vlan":
		case l.Type() == "bond":
			return l, nil
		case card == nil:
			card = l
		}
	}
	return card, nil
}

// join makes a device a port of the bridge in exactly these VLANs: with tags,
// or, for the one VLAN of an access port, without.
func (s *Switch) join(l netlink.Link, vlans []int, access bool) error {
	name := l.Attrs().Name
	b, err := link(s.options.Bridge)
	if err != nil {
		return err
	}
	if b == nil {
		return fmt.Errorf("bridge %s is gone", s.options.Bridge)
	}
	if l.Attrs().MasterIndex != b.Attrs().Index {
		if err := netlink.LinkSetMaster(l, b); err != nil {
			return fmt.Errorf("join %s to %s: %w", name, s.options.Bridge, err)
		}
	}
	if !s.options.Plain {
		if err := setVLANs(l, vlans, access); err != nil {
			return err
		}
	}
	if l.Attrs().Flags&net.FlagUp == 0 {
		return wrap(netlink.LinkSetUp(l), "device "+name)
	}
	return nil
}

// setVLANs changes what differs. What is too much goes first.
func setVLANs(l netlink.Link, vlans []int, access bool) error {
	name := l.Attrs().Name
	all, err := dump(netlink.BridgeVlanList)
	if err != nil {
		return fmt.Errorf("list VLANs: %w", err)
	}
	has := map[int]bool{}
	for _, v := range all[int32(l.Attrs().Index)] {
		good := slices.Contains(vlans, int(v.Vid)) && v.PortVID() == access && v.EngressUntag() == access
		if good {
			has[int(v.Vid)] = true
			continue
		}
		if err := netlink.BridgeVlanDel(l, v.Vid, false, false, false, true); err != nil {
			return fmt.Errorf("take %s out of VLAN %d: %w", name, v.Vid, err)
		}
	}
	for _, v := range vlans {
		if has[v] {
			continue
		}
		if err := netlink.BridgeVlanAdd(l, uint16(v), access, access, false, true); err != nil {
			return fmt.Errorf("put %s into VLAN %d: %w", name, v, err)
		}
	}
	return nil
}

// plug joins the NICs of a guest, those that exist, and makes taps.
func (s *Switch) plug(w Wiring) error {
	var errs []error
	for i := range w.Ports {
		p := &w.Ports[i]
		errs = append(errs, wrap(s.plugPort(p, w.Taps), "port "+p.ID))
	}
	return errors.Join(errs...)
}

func (s *Switch) plugPort(p *spec.Port, makeTap bool) error {
	name := p.TapName()
	l, err := link(name)
	if err != nil {
		return err
	}
	if l == nil && makeTap {
		if l, err = newTap(name); err != nil {
			return err
		}
	}
	if l == nil {
		return nil
	}
	silence(name)
	if p.MTU > 0 && l.Attrs().MTU != p.MTU {
		if err := netlink.LinkSetMTU(l, p.MTU); err != nil {
			return fmt.Errorf("MTU %d: %w", p.MTU, err)
		}
	}
	return s.join(l, []int{p.VLAN}, true)
}

// newTap makes a tap device that outlives us.
func newTap(name string) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	tap := &netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TAP, Flags: unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR, Queues: 1}
	if err := netlink.LinkAdd(tap); err != nil {
		return nil, fmt.Errorf("make tap %s: %w", name, err)
	}
	for _, f := range tap.Fds {
		f.Close()
	}
	return link(name)
}

// unplug removes the NICs of ports.
func (s *Switch) unplug(ports []spec.Port) error {
	var errs []error
	for i := range ports {
		l, err := link(ports[i].TapName())
		if err == nil && l != nil {
			err = netlink.LinkDel(l)
			if errors.Is(err, unix.ENODEV) {
				err = nil
			}
		}
		errs = append(errs, wrap(err, "remove port "+ports[i].ID))
	}
	return errors.Join(errs...)
}
