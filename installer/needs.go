package installer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/cairn-cloud/cairn/installer/network"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/tui/wizard"
)

// needs are what the conversation asks of this machine.
func (a *asking) needs() wizard.Needs {
	n := wizard.Needs{Trust: a.trust(), Inventory: a.inv,
		Links: a.links, Connect: a.connect, Reach: reach, Fetch: fetchPublic, Sticks: a.sticks, Ask: a.askDeployer}
	if a.release != nil {
		n.Version = a.release.Manifest.Version
	}
	return n
}

// links looks at the cards.
func (a *asking) links(context.Context) (map[string]wizard.Link, error) {
	var heard map[string]plan.LLDP
	if a.host.Neighbours != nil {
		heard = a.host.Neighbours.Heard()
	}
	out := map[string]wizard.Link{}
	for _, n := range a.inv.NICs {
		l := wizard.Link{Up: sysfs(n.Name, "carrier") == "1", Address: addressOf(n.Name), LLDP: n.LLDP}
		if mbps, err := strconv.Atoi(sysfs(n.Name, "speed")); err == nil && mbps > 0 && n.Driver != "virtio_net" {
			l.Mbps = mbps
		}
		if h, ok := heard[n.Name]; ok {
			l.LLDP = &h
		}
		out[n.MAC] = l
	}
	return out, nil
}

// sysfs reads what the kernel says of an interface.
func sysfs(name, file string) string {
	b, err := os.ReadFile(filepath.Join("/sys/class/net", name, file))
	if err != nil {
		return "" // an interface that is down has no carrier to read
	}
	return strings.TrimSpace(string(b))
}

// addressOf is the IPv4 address of a card, or of what is on top of it.
func addressOf(name string) netip.Prefix {
	for _, n := range append([]string{name}, above(name)...) {
		i, err := net.InterfaceByName(n)
		if err != nil {
			continue
		}
		all, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range all {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
				return p
			}
		}
	}
	return netip.Prefix{}
}

// above are the bond and the VLANs on an interface.
func above(name string) []string {
	entries, err := filepath.Glob(filepath.Join("/sys/class/net", name, "upper_*"))
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		upper := strings.TrimPrefix(filepath.Base(e), "upper_")
		out = append(append(out, upper), above(upper)...)
	}
	return out
}

// dhcpPatience is how long a person is kept waiting for an address.
const dhcpPatience = 25 * time.Second

// connect brings the network up that a person described, instead of one that
// is up already.
func (a *asking) connect(ctx context.Context, n wizard.Network) (wizard.Lease, error) {
	if err := disconnect(); err != nil {
		return wizard.Lease{}, err
	}
	port := network.Port{MAC: n.Cards[0], VLAN: n.VLAN}
	if len(n.Cards) > 1 {
		port.Bond, port.Members = n.Bond, n.Cards
	}
	if err := a.m.modules.Load(port.Modules()...); err != nil {
		return wizard.Lease{}, err
	}
	nic, err := network.Make(ctx, port)
	if err != nil {
		return wizard.Lease{}, err
	}
	var lease network.Lease
	if n.DHCP {
		lease, err = a.dhcp(ctx, nic)
	} else {
		lease, err = network.Static(staticWord(n), nic)
	}
	return wizard.Lease{Interface: lease.Interface, Address: lease.Address, Gateway: lease.Gateway, DNS: lease.DNS}, err
}

func (a *asking) dhcp(ctx context.Context, nic string) (network.Lease, error) {
	patient, done := context.WithTimeout(ctx, dhcpPatience)
	defer done()
	lease, err := network.DHCP(patient, nic, func(string, ...any) {}, a.m.log)
	if err != nil && errors.Is(patient.Err(), context.DeadlineExceeded) {
		return lease, fmt.Errorf("no DHCP server answers on %s for %s: is the cable in the right port, and the VLAN tag right?", nic, dhcpPatience)
	}
	return lease, err
}

// staticWord is the kernel's form of a fixed address; see [network.Static].
func staticWord(n wizard.Network) string {
	mask := net.CIDRMask(n.Address.Bits(), 32)
	gateway := ""
	if n.Gateway.IsValid() {
		gateway = n.Gateway.String()
	}
	word := fmt.Sprintf("%s::%s:%s:::none", n.Address.Addr(), gateway, net.IP(mask))
	for _, d := range n.DNS[:min(2, len(n.DNS))] {
		word += ":" + d.String()
	}
	return word
}

// disconnect takes away bonds, VLANs and addresses of an earlier try.
func disconnect() error {
	all, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("network links: %w", err)
	}
	var errs []error
	for _, l := range all {
		switch l.Type() {
		case "vlan", "bond":
			errs = append(errs, netlink.LinkDel(l))
			continue
		}
		addrs, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil || l.Attrs().Flags&net.FlagLoopback != 0 {
			continue
		}
		for _, a := range addrs {
			errs = append(errs, netlink.AddrDel(l, &a))
		}
	}
	return errors.Join(errs...)
}
