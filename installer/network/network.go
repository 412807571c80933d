// Package network brings up what an installer needs of the network: links,
// bonds and VLANs on them ([Make]), one address by DHCP or from the kernel
// line, and name servers.
//
// Linux only, and as root. It imports nothing of ours.
package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/vishvananda/netlink"
)

// arpIgnore has a card answer for its own addresses alone (Linux,
// ip-sysctl.rst). By default all cards of one network answer for all addresses,
// and the machine looks as if somebody else had its address too.
const arpIgnore = "/proc/sys/net/ipv4/conf/all/arp_ignore"

// LinksUp sets every hardware link and the loopback up and waits until all
// have a carrier, or for at most that long: a card reports its link only when
// it is up, and needs seconds for it.
func LinksUp(ctx context.Context, patience time.Duration) error {
	all, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("network links: %w", err)
	}
	errs := []error{os.WriteFile(arpIgnore, []byte("1"), 0o644)}
	for _, l := range all {
		if err := netlink.LinkSetUp(l); err != nil {
			errs = append(errs, fmt.Errorf("network link %s up: %w", l.Attrs().Name, err))
		}
	}
	for end := time.Now().Add(patience); time.Now().Before(end) && !allCarry(all); {
		select {
		case <-ctx.Done():
			return fmt.Errorf("network links: %w", context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.Join(errs...)
}

func allCarry(all []netlink.Link) bool {
	for _, l := range all {
		now, err := netlink.LinkByIndex(l.Attrs().Index)
		if err == nil && now.Attrs().OperState == netlink.OperDown {
			return false
		}
	}
	return true
}

// ParseBootIf reads what PXE loaders write: 01-aa-bb-cc-dd-ee-ff, or the
// address alone. The result has colons and lower case.
func ParseBootIf(s string) (string, error) {
	s = strings.ReplaceAll(strings.ToLower(s), "-", ":")
	if len(s) == 20 {
		s = strings.TrimPrefix(s, "01:")
	}
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != 6 {
		return "", fmt.Errorf("BOOTIF is %q; allowed: 01- and a MAC address with hyphens", s)
	}
	return hw.String(), nil
}

// find finds a card by its hardware address, or any interface by its name.
func find(nic string) (netlink.Link, error) {
	if _, err := net.ParseMAC(nic); err == nil {
		return card(nic)
	}
	l, err := netlink.LinkByName(nic)
	if err != nil {
		return nil, fmt.Errorf("network interface %s: %w", nic, err)
	}
	return l, nil
}

// A Lease is an address that the machine uses while it installs.
type Lease struct {
	Interface string
	Address   netip.Prefix
	Gateway   netip.Addr
	DNS       []string
}

// DHCP asks for an address until there is one. nic is the MAC of a card or the
// name of an interface. say is told every failed try.
func DHCP(ctx context.Context, nic string, say func(string, ...any), log *slog.Logger) (Lease, error) {
	link, err := find(nic)
	if err != nil {
		return Lease{}, err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return Lease{}, fmt.Errorf("network link %s up: %w", link.Attrs().Name, err)
	}
	for {
		l, err := ask(ctx, link.Attrs().Name)
		if err == nil {
			return l, l.apply(link)
		}
		if ctx.Err() != nil {
			return Lease{}, fmt.Errorf("DHCP on %s: %w", link.Attrs().Name, context.Cause(ctx))
		}
		log.Warn("DHCP", "interface", link.Attrs().Name, "error", err)
		say("waiting for a DHCP answer on %s (%s): %v", link.Attrs().Name, link.Attrs().HardwareAddr, err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func ask(ctx context.Context, name string) (Lease, error) {
	c, err := nclient4.New(name, nclient4.WithTimeout(3*time.Second), nclient4.WithRetry(3))
	if err != nil {
		return Lease{}, err
	}
	defer func() { _ = c.Close() }() // a socket of ours
	offer, err := c.Request(ctx, dhcpv4.WithRequestedOptions(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer),
		dhcpv4.WithOption(dhcpv4.OptClassIdentifier("cairn-installer")))
	if err != nil {
		return Lease{}, err
	}
	return leaseOf(name, offer.ACK)
}

func leaseOf(name string, ack *dhcpv4.DHCPv4) (Lease, error) {
	addr, ok := netip.AddrFromSlice(ack.YourIPAddr.To4())
	if !ok || addr.IsUnspecified() {
		return Lease{}, errors.New("the answer has no address")
	}
	bits, _ := ack.SubnetMask().Size()
	if ack.SubnetMask() == nil {
		bits = 24
	}
	l := Lease{Interface: name, Address: netip.PrefixFrom(addr, bits)}
	if r := ack.Router(); len(r) > 0 {
		if gw, ok := netip.AddrFromSlice(r[0].To4()); ok {
			l.Gateway = gw
		}
	}
	for _, d := range ack.DNS() {
		l.DNS = append(l.DNS, d.String())
	}
	return l, nil
}

// apply sets address, default route and name servers.
func (l Lease) apply(link netlink.Link) error {
	addr, err := netlink.ParseAddr(l.Address.String())
	if err != nil {
		return fmt.Errorf("address %s: %w", l.Address, err)
	}
	if err := netlink.AddrReplace(link, addr); err != nil {
		return fmt.Errorf("set address %s on %s: %w", l.Address, l.Interface, err)
	}
	if l.Gateway.IsValid() {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: l.Gateway.AsSlice()}
		if err := netlink.RouteReplace(route); err != nil {
			return fmt.Errorf("route by %s: %w", l.Gateway, err)
		}
	}
	if len(l.DNS) == 0 {
		return nil
	}
	var b strings.Builder
	for _, d := range l.DNS {
		b.WriteString("nameserver " + d + "\n")
	}
	if err := os.MkdirAll("/etc", 0o755); err != nil {
		return fmt.Errorf("name servers: %w", err)
	}
	if err := os.WriteFile("/etc/resolv.conf", []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("name servers: %w", err)
	}
	return nil
}
