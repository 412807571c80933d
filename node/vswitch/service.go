package vswitch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4/server4"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/node/spec"
	"github.com/cairn-cloud/cairn/node/vswitch/dhcp"
	"github.com/cairn-cloud/cairn/node/vswitch/metadata"
)

// A service answers DHCP and metadata in one VLAN. Its network namespace has
// no name: it lives as long as the sockets in it, so nothing of it is left
// when the agent dies.
type service struct {
	vlan      int
	ns        netns.NsHandle
	addresses []netip.Prefix
	stop      context.CancelFunc
	web       *http.Server
	running   sync.WaitGroup
}

// keepServices makes the services those of the VLANs of ports.
func (s *Switch) keepServices(ports []spec.Port) error {
	wanted := map[int][]netip.Prefix{}
	for i := range ports {
		p := &ports[i]
		for _, a := range p.Addresses {
			if p.DHCP != nil && p.DHCP.Server.Is4() && a.Address.Is4() {
				wanted[p.VLAN] = append(wanted[p.VLAN], netip.PrefixFrom(p.DHCP.Server, a.Bits))
			}
		}
	}
	var errs []error
	for vlan, v := range s.services {
		if len(wanted[vlan]) == 0 {
			errs = append(errs, wrap(v.close(), fmt.Sprintf("services of VLAN %d", vlan)))
			delete(s.services, vlan)
		}
	}
	for vlan, addresses := range wanted {
		slices.SortFunc(addresses, netip.Prefix.Compare)
		errs = append(errs, wrap(s.keepService(vlan, slices.Compact(addresses)), fmt.Sprintf("services of VLAN %d", vlan)))
	}
	return errors.Join(errs...)
}

func (s *Switch) keepService(vlan int, addresses []netip.Prefix) error {
	v, ok := s.services[vlan]
	if !ok {
		var err error
		if v, err = s.openService(vlan); err != nil {
			return err
		}
		s.services[vlan] = v
	}
	if slices.Equal(v.addresses, addresses) {
		return nil
	}
	if err := v.setAddresses(addresses); err != nil {
		return err
	}
	v.addresses = addresses
	return nil
}

// openService makes a namespace, wires it to the bridge, and starts the
// servers in it.
func (s *Switch) openService(vlan int) (_ *service, err error) {
	ns, err := newNamespace()
	if err != nil {
		return nil, err
	}
	v := &service{vlan: vlan, ns: ns}
	defer func() {
		if err != nil {
			err = errors.Join(err, ns.Close())
		}
	}()
	if err := s.wire(v); err != nil {
		return nil, err
	}
	var conn net.PacketConn
	var listener net.Listener
	err = inside(ns, func() error {
		if conn, err = server4.NewIPv4UDPConn(innerDevice, &net.UDPAddr{IP: net.IPv4zero, Port: 67}); err != nil {
			return fmt.Errorf("open the DHCP server's port: %w", err)
		}
		if listener, err = net.Listen("tcp4", dhcp.MetadataAddress.String()+":80"); err != nil { //nolint:noctx // nothing to wait for
			return errors.Join(fmt.Errorf("open the metadata server's port: %w", err), conn.Close())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.serve(v, conn, listener)
	return v, nil
}

// Bounds of the metadata server against guests that misbehave.
const (
	webTimeout = 30 * time.Second
	webHeader  = 16 << 10 // bytes
)

// serve starts the servers of a service.
func (s *Switch) serve(v *service, conn net.PacketConn, listener net.Listener) {
	ctx, stop := context.WithCancel(context.Background())
	v.stop = stop
	log := s.log.With("vlan", v.vlan)
	v.web = &http.Server{
		Handler:     metadata.Handler(func(a netip.Addr) (metadata.Guest, bool) { return s.view.guest(v.vlan, a) }),
		ReadTimeout: webTimeout, WriteTimeout: webTimeout, IdleTimeout: webTimeout, MaxHeaderBytes: webHeader,
	}
	v.running.Go(func() {
		err := dhcp.Serve(ctx, conn, func(mac string) (spec.Port, bool) { return s.view.port(v.vlan, mac) }, log)
		if ctx.Err() == nil {
			log.Error("DHCP is no longer answered", "error", err)
		}
	})
	v.running.Go(func() {
		if err := v.web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metadata is no longer answered", "error", err)
		}
	})
}

// close ends the servers and with them the namespace. The bridge's end of its
// wire goes first, so that the name is free at once.
func (v *service) close() error {
	v.stop()
	err := v.web.Close()
	v.running.Wait()
	l, again := link(serviceDevice(v.vlan))
	if again == nil && l != nil {
		again = netlink.LinkDel(l)
	}
	return errors.Join(err, again, v.ns.Close())
}

// wire joins a namespace to the bridge by a pair of devices.
func (s *Switch) wire(v *service) error {
	name := serviceDevice(v.vlan)
	old, err := link(name)
	if err != nil {
		return err
	}
	if old != nil { // of an agent that died just now
		if err := netlink.LinkDel(old); err != nil {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	pair := &netlink.Veth{
		LinkAttrs: attrs, PeerName: innerDevice, PeerHardwareAddr: serviceMAC(v.vlan),
		PeerNamespace: netlink.NsFd(int(v.ns)),
	}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make %s: %w", name, err)
	}
	outer, err := link(name)
	if err != nil || outer == nil {
		return errors.Join(fmt.Errorf("device %s is gone", name), err)
	}
	silence(name)
	if err := inside(v.ns, func() error { silence("all"); return nil }); err != nil {
		return err
	}
	h, err := netlink.NewHandleAt(v.ns, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open the namespace: %w", err)
	}
	defer h.Close()
	inner, err := h.LinkByName(innerDevice)
	if err != nil {
		return fmt.Errorf("device %s: %w", innerDevice, err)
	}
	if err := addAddress(h, inner, netip.PrefixFrom(dhcp.MetadataAddress, 32)); err != nil {
		return err
	}
	if err := h.LinkSetUp(inner); err != nil {
		return fmt.Errorf("device %s: %w", innerDevice, err)
	}
	return s.join(outer, []int{v.vlan}, true)
}

// setAddresses makes these the addresses of the services, beside that of the
// metadata.
func (v *service) setAddresses(wanted []netip.Prefix) error {
	h, err := netlink.NewHandleAt(v.ns, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open the namespace: %w", err)
	}
	defer h.Close()
	inner, err := h.LinkByName(innerDevice)
	if err != nil {
		return fmt.Errorf("device %s: %w", innerDevice, err)
	}
	for _, old := range v.addresses {
		if !slices.Contains(wanted, old) {
			if err := h.AddrDel(inner, address(old)); err != nil {
				return fmt.Errorf("remove address %s: %w", old, err)
			}
		}
	}
	for _, p := range wanted {
		if err := addAddress(h, inner, p); err != nil {
			return err
		}
	}
	return nil
}

func addAddress(h *netlink.Handle, l netlink.Link, p netip.Prefix) error {
	if err := h.AddrAdd(l, address(p)); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("add address %s: %w", p, err)
	}
	return nil
}

func address(p netip.Prefix) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: net.IP(p.Addr().AsSlice()), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
}

// newNamespace makes a network namespace that lives while the handle is open
// or sockets are in it.
func newNamespace() (netns.NsHandle, error) {
	var made netns.NsHandle
	err := onThread(func() error {
		var err error
		made, err = netns.New()
		return err
	})
	return made, wrap(err, "make a network namespace")
}

// inside calls f on a thread in a namespace.
func inside(ns netns.NsHandle, f func() error) error {
	return onThread(func() error {
		if err := netns.Set(ns); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return f()
	})
}

// onThread calls f on a thread that ends afterwards, so that whatever f does
// to the thread's namespace stays with it.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		done <- f()
	}()
	return <-done
}
