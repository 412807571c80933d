package dhcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/server4"
	"golang.org/x/sync/errgroup"
)

// BootPort is where boot servers are asked (PXE 2.1).
const BootPort = 4011

// receiveBuffer holds what a rack that is switched on sends at once, in bytes.
const receiveBuffer = 4 << 20

// maxAtOnce is how many packets are worked on at the same time. Most wait for
// the wire or for the disk.
const maxAtOnce = 512

// Sockets are what a responder hears on one interface.
type Sockets struct{ dhcp, boot net.PacketConn }

// Listen opens ports 67 and 4011 of the interface. It needs the right to bind
// them, and to bind to a device (CAP_NET_BIND_SERVICE, CAP_NET_RAW).
func Listen(ifname string) (*Sockets, error) {
	dhcp, err := open(ifname, dhcpv4.ServerPort)
	if err != nil {
		return nil, err
	}
	boot, err := open(ifname, BootPort)
	if err != nil {
		return nil, errors.Join(err, dhcp.Close())
	}
	return &Sockets{dhcp, boot}, nil
}

// Close closes them where nobody serves.
func (s *Sockets) Close() error { return errors.Join(s.dhcp.Close(), s.boot.Close()) }

func open(ifname string, port int) (net.PacketConn, error) {
	conn, err := server4.NewIPv4UDPConn(ifname, &net.UDPAddr{IP: net.IPv4zero, Port: port})
	if err != nil {
		return nil, fmt.Errorf("DHCP on %s, port %d: %w (is another DHCP server running here?)", ifname, port, err)
	}
	if err := conn.SetReadBuffer(receiveBuffer); err != nil {
		return nil, errors.Join(fmt.Errorf("DHCP on %s, port %d: %w", ifname, port, err), conn.Close())
	}
	return conn, nil
}

// Serve answers until the context ends, and closes the sockets.
func (r *Responder) Serve(ctx context.Context, s *Sockets) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.serve(ctx, s.dhcp, r.Handle) })
	g.Go(func() error { return r.serve(ctx, s.boot, r.HandleBoot) })
	return g.Wait()
}

type handler func([]byte) (*dhcpv4.DHCPv4, Drop)

func (r *Responder) serve(ctx context.Context, conn net.PacketConn, handle handler) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends the read below
	defer stop()
	defer func() { _ = conn.Close() }()
	var g errgroup.Group
	g.SetLimit(maxAtOnce)
	defer func() { _ = g.Wait() }()
	for {
		buf := make([]byte, 4096) // the largest packet that we read; longer ones are cut and dropped
		n, peer, err := conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read DHCP packet: %w", err)
		}
		if !g.TryGo(func() error { r.respond(conn, peer, handle, buf[:n]); return nil }) {
			r.drop(DropBusy, Client{}, fmt.Sprintf("%d packets at once", maxAtOnce))
		}
	}
}

func (r *Responder) respond(conn net.PacketConn, peer net.Addr, handle handler, b []byte) {
	out, why := handle(b)
	if why != DropNone || out == nil {
		return
	}
	to := destination(out, peer)
	if _, err := conn.WriteTo(out.ToBytes(), to); err != nil && !errors.Is(err, net.ErrClosed) {
		r.conf.Count.Refuse(string(DropUnsent), fmt.Sprintf("%s to %s: %v", out.ClientHWAddr, to, err))
	}
}

// destination is the relay agent (RFC 2131, 4.1), or the client itself when
// it has an address that works (it renews, informs, or asks a boot server),
// else everybody: it cannot answer ARP yet.
func destination(out *dhcpv4.DHCPv4, peer net.Addr) net.Addr {
	if a := toAddr(out.GatewayIPAddr); a.IsValid() {
		return &net.UDPAddr{IP: a.AsSlice(), Port: dhcpv4.ServerPort}
	}
	u, ok := peer.(*net.UDPAddr)
	if ok && !isZero(u.IP) && !u.IP.Equal(net.IPv4bcast) && !out.IsBroadcast() {
		return u
	}
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), dhcpv4.ClientPort))
}
