package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/vishvananda/netlink"
)

// An address is what DHCP gave us.
type address struct {
	nic    nic
	prefix netip.Prefix
	lease  *nclient4.Lease
}

type nic struct {
	name string
	mac  net.HardwareAddr
	link netlink.Link
}

// findNIC sets up lo and the first Ethernet device.
func findNIC(context.Context) (*nic, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	var found *nic
	for _, l := range links {
		a := l.Attrs()
		isLoop := a.Flags&net.FlagLoopback != 0
		if !isLoop && (len(a.HardwareAddr) != 6 || found != nil) {
			continue
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return nil, fmt.Errorf("set %s up: %w", a.Name, err)
		}
		if !isLoop {
			found = &nic{name: a.Name, mac: a.HardwareAddr, link: l}
		}
	}
	if found == nil {
		return nil, errors.New("there is none")
	}
	return found, nil
}

// askAddress asks for an address and takes it, with the routes that come
// with it.
func askAddress(ctx context.Context, n nic) (*address, error) {
	c, err := nclient4.New(n.name, nclient4.WithTimeout(3*time.Second), nclient4.WithRetry(2))
	if err != nil {
		return nil, err
	}
	defer c.Close() //nolint:errcheck // nothing was buffered
	host := dhcpv4.WithRequestedOptions(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionClasslessStaticRoute,
		dhcpv4.OptionInterfaceMTU, dhcpv4.OptionDomainNameServer, dhcpv4.OptionHostName)
	lease, err := c.Request(ctx, host)
	if err != nil {
		return nil, err
	}
	return takeAddress(n, lease)
}

func takeAddress(n nic, lease *nclient4.Lease) (*address, error) {
	ip, ok := netip.AddrFromSlice(lease.ACK.YourIPAddr.To4())
	if !ok {
		return nil, fmt.Errorf("the answer has address %v", lease.ACK.YourIPAddr)
	}
	bits, _ := lease.ACK.SubnetMask().Size()
	a := &address{nic: n, prefix: netip.PrefixFrom(ip, bits), lease: lease}
	ipnet := &net.IPNet{IP: lease.ACK.YourIPAddr, Mask: lease.ACK.SubnetMask()}
	if err := netlink.AddrReplace(n.link, &netlink.Addr{IPNet: ipnet}); err != nil {
		return nil, fmt.Errorf("take %s: %w", a.prefix, err)
	}
	if mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, lease.ACK.Options); err == nil {
		if err := netlink.LinkSetMTU(n.link, int(mtu)); err != nil {
			return nil, fmt.Errorf("MTU %d: %w", mtu, err)
		}
	}
	return a, a.takeRoutes()
}

// takeRoutes sets the classless routes (RFC 3442: they stand instead of the
// router option), or the default route.
func (a *address) takeRoutes() error {
	index := a.nic.link.Attrs().Index
	var routes []netlink.Route
	for _, r := range a.lease.ACK.ClasslessStaticRoute() {
		route := netlink.Route{LinkIndex: index, Dst: r.Dest, Gw: r.Router}
		if r.Router.IsUnspecified() {
			route.Gw, route.Scope = nil, netlink.SCOPE_LINK
		}
		routes = append(routes, route)
	}
	if gw := a.lease.ACK.Router(); len(routes) == 0 && len(gw) > 0 {
		routes = append(routes, netlink.Route{LinkIndex: index, Gw: gw[0]})
	}
	for _, r := range routes {
		if err := netlink.RouteReplace(&r); err != nil {
			return fmt.Errorf("route %v via %v: %w", r.Dst, r.Gw, err)
		}
	}
	return nil
}

// keep renews the lease at half of its time, as RFC 2131 has it.
func (a *address) keep(ctx context.Context) {
	for ctx.Err() == nil {
		sleep(ctx, max(a.lease.ACK.IPAddressLeaseTime(time.Hour)/2, 10*time.Second))
		if ctx.Err() != nil {
			return
		}
		fresh, err := askAddress(ctx, a.nic)
		if err != nil {
			say("lease: %v", err)
			continue
		}
		if fresh.prefix != a.prefix {
			say("address %s", fresh.prefix)
		}
		a.lease = fresh.lease
	}
}
