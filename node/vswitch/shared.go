package vswitch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/cairn-cloud/cairn/node/spec"
)

// Where one card carries management and the projects, it cannot be a port of
// the bridge: the host would lose its own frames to it, and its address with
// them. So the host keeps the card, and each VLAN that guests are in has a
// device on it which is a port. The kernel sorts tagged frames to those before
// anybody else sees them; all others stay the host's, whatever becomes of the
// bridge.

// checkShared tells which port cannot be on a trunk that management is on.
func (s *Switch) checkShared(ports []spec.Port) error {
	for i := range ports {
		if p := &ports[i]; s.options.SharedTrunk && p.VLAN == s.options.ManagementVLAN {
			return fmt.Errorf("port %s: vlan is %d, that of the management network; allowed: any other", p.ID, p.VLAN)
		}
	}
	return nil
}

// joinTrunk makes the trunk carry exactly these VLANs. One that cannot be
// joined does not keep the others out.
func (s *Switch) joinTrunk(trunk netlink.Link, vlans []int) error {
	if !s.options.SharedTrunk {
		return s.join(trunk, vlans, false)
	}
	errs := []error{dropTrunkDevices(trunk, vlans)}
	for _, v := range vlans {
		l, err := ensureTrunkDevice(trunk, v)
		if err == nil {
			err = s.join(l, []int{v}, true)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// ensureTrunkDevice makes the device of a VLAN. It takes as large packets as
// the trunk does.
func ensureTrunkDevice(trunk netlink.Link, vlan int) (netlink.Link, error) {
	name := trunkDevice(vlan)
	l, err := link(name)
	if err != nil {
		return nil, err
	}
	if l != nil && l.Attrs().ParentIndex != trunk.Attrs().Index {
		if err := netlink.LinkDel(l); err != nil {
			return nil, fmt.Errorf("remove %s, which is not on %s: %w", name, trunk.Attrs().Name, err)
		}
		l = nil
	}
	if l == nil {
		if l, err = newTrunkDevice(trunk, vlan); err != nil {
			return nil, err
		}
	}
	if mtu := trunk.Attrs().MTU; l.Attrs().MTU != mtu {
		err = wrap(netlink.LinkSetMTU(l, mtu), "MTU of "+name)
	}
	return l, err
}

// newTrunkDevice makes a device that is down.
func newTrunkDevice(trunk netlink.Link, vlan int) (netlink.Link, error) {
	name := trunkDevice(vlan)
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex, attrs.MTU = name, trunk.Attrs().Index, trunk.Attrs().MTU
	if err := netlink.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: vlan}); err != nil {
		return nil, fmt.Errorf("make %s on %s: %w", name, trunk.Attrs().Name, err)
	}
	silence(name)
	l, err := link(name)
	if err == nil && l == nil {
		err = fmt.Errorf("device %s is gone", name)
	}
	return l, err
}

// dropTrunkDevices removes the devices of VLANs that no guest is in any more.
func dropTrunkDevices(trunk netlink.Link, keep []int) error {
	all, err := dump(netlink.LinkList)
	if err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	for _, l := range all {
		v, ok := l.(*netlink.Vlan)
		if !ok || v.ParentIndex != trunk.Attrs().Index || !strings.HasPrefix(v.Name, trunkPrefix) || slices.Contains(keep, v.VlanId) {
			continue
		}
		if err := netlink.LinkDel(l); err != nil {
			return fmt.Errorf("remove %s: %w", v.Name, err)
		}
	}
	return nil
}
