package dhcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/server4"
)

// Serve answers on the interface until the context ends. It needs the right
// to bind port 67 and to bind to a device (CAP_NET_BIND_SERVICE, CAP_NET_RAW).
func Serve(ctx context.Context, ifname string, r *Responder) error {
	conn, err := server4.NewIPv4UDPConn(ifname, &net.UDPAddr{IP: net.IPv4zero, Port: dhcpv4.ServerPort})
	if err != nil {
		return fmt.Errorf("DHCP on %s: %w (is another DHCP server running here?)", ifname, err)
	}
	return serve(ctx, conn, r)
}

func serve(ctx context.Context, conn net.PacketConn, r *Responder) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends the read below
	defer stop()
	defer func() { _ = conn.Close() }()
	buf := make([]byte, 4096) // the largest packet that we read; longer ones are cut and dropped
	for {
		n, peer, err := conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read DHCP packet: %w", err)
		}
		out, why := r.Handle(buf[:n])
		if why != DropNone || out == nil {
			continue
		}
		if _, err := conn.WriteTo(out.ToBytes(), destination(out, peer)); err != nil && !errors.Is(err, net.ErrClosed) {
			r.conf.Log.LogAttrs(ctx, slog.LevelWarn, "DHCP answer not sent",
				slog.String("mac", out.ClientHWAddr.String()), slog.Any("err", err))
		}
	}
}

// destination is the client itself when it has an address that works (it
// renews or informs), else everybody: it cannot answer ARP yet.
func destination(out *dhcpv4.DHCPv4, peer net.Addr) net.Addr {
	u, ok := peer.(*net.UDPAddr)
	if ok && !isZero(u.IP) && !u.IP.Equal(net.IPv4bcast) && !out.IsBroadcast() {
		return u
	}
	return &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ClientPort}
}
