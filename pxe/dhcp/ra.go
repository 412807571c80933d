package dhcp

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/mdlayher/ndp"
	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
)

// Layout of an Ethernet frame with an IPv6 packet in it (RFC 2464, RFC 8200).
const (
	etherIPv6     = 0x86dd
	etherHeader   = 14
	ipv6Header    = 40
	protoICMPv6   = 58
	icmpSolicit   = 133
	nextHeaderAt  = etherHeader + 6
	icmpTypeAt    = etherHeader + ipv6Header
	solicitMinLen = etherHeader + ipv6Header + 8
)

// ServeRouterSolicitations answers each IPv6 router solicitation on the
// interface with "no router here" (lifetime zero), until the context ends.
// It works on raw frames, so the host itself needs no IPv6.
func ServeRouterSolicitations(ctx context.Context, ifi *net.Interface, log *slog.Logger) error {
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: nextHeaderAt, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoICMPv6, SkipTrue: 3},
		bpf.LoadAbsolute{Off: icmpTypeAt, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: icmpSolicit, SkipTrue: 1},
		bpf.RetConstant{Val: 1500},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return fmt.Errorf("router solicitations: %w", err)
	}
	conn, err := packet.Listen(ifi, packet.Raw, etherIPv6, &packet.Config{Filter: filter})
	if err != nil {
		return fmt.Errorf("router solicitations on %s: %w", ifi.Name, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends the read below
	defer stop()
	defer func() { _ = conn.Close() }()
	buf := make([]byte, 1514)
	for {
		n, _, err := conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !passing(err) {
			return fmt.Errorf("router solicitations on %s: %w", ifi.Name, err)
		}
		out, err := advertise(buf[:n], ifi.HardwareAddr)
		if err != nil {
			continue // not a solicitation after all
		}
		if _, err := conn.WriteTo(out, &packet.Addr{HardwareAddr: out[:6]}); err != nil {
			log.Debug("router advertisement not sent", "err", err)
		}
	}
}

// advertise builds the frame that answers the solicitation in frame.
func advertise(frame []byte, own net.HardwareAddr) ([]byte, error) {
	if len(frame) < solicitMinLen || frame[nextHeaderAt] != protoICMPv6 || frame[icmpTypeAt] != icmpSolicit {
		return nil, fmt.Errorf("frame of %d bytes is no router solicitation", len(frame))
	}
	src := linkLocal(own)
	dst := netip.AddrFrom16([16]byte(frame[etherHeader+8 : etherHeader+24]))
	mac := net.HardwareAddr(frame[6:12])
	if !dst.IsLinkLocalUnicast() || mac[0]&1 != 0 {
		dst = netip.IPv6LinkLocalAllNodes()
		mac = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
	}
	body, err := ndp.MarshalMessageChecksum(&ndp.RouterAdvertisement{CurrentHopLimit: 64}, src, dst)
	if err != nil {
		return nil, fmt.Errorf("router advertisement: %w", err)
	}
	out := make([]byte, 0, etherHeader+ipv6Header+len(body))
	out = append(out, mac...)
	out = append(out, own...)
	out = binary.BigEndian.AppendUint16(out, etherIPv6)
	out = append(out, 0x60, 0, 0, 0)
	out = binary.BigEndian.AppendUint16(out, uint16(len(body)))
	out = append(out, protoICMPv6, ndp.HopLimit)
	out = append(out, src.AsSlice()...)
	out = append(out, dst.AsSlice()...)
	return append(out, body...), nil
}

// linkLocal is the address that a MAC makes (RFC 4291, appendix A).
func linkLocal(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]})
}
