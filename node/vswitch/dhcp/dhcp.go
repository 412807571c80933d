// Package dhcp answers DHCPv4 clients that are ports of project networks. It
// keeps no leases: an address belongs to a port for as long as there is one,
// so the answer is a pure function of the request and the port ([Answer]).
// Clients that are nobody's port here get no answer, since the same server
// stands on every host.
package dhcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/cairn-cloud/cairn/node/spec"
)

// MetadataAddress is where guests ask what they are.
var MetadataAddress = netip.AddrFrom4([4]byte{169, 254, 169, 254})

// defaultLease is the lease's time when a port says none.
const defaultLease = 24 * time.Hour

// A Lookup returns the port with a MAC, in lower case with colons.
type Lookup func(mac string) (spec.Port, bool)

// Serve answers on conn until ctx ends, and closes conn then. It returns
// ctx's error.
func Serve(ctx context.Context, conn net.PacketConn, find Lookup, log *slog.Logger) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	buf := make([]byte, 1<<16)
	for {
		n, peer, err := conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("dhcp: %w", err)
		}
		req, err := dhcpv4.FromBytes(buf[:n])
		if err != nil {
			log.Debug("not a DHCP packet", "peer", peer, "error", err)
			continue
		}
		port, ok := find(req.ClientHWAddr.String())
		if !ok {
			continue
		}
		answer, err := Answer(req, port)
		if err != nil {
			log.Debug("no DHCP answer", "port", port.ID, "error", err)
			continue
		}
		if _, err := conn.WriteTo(answer.ToBytes(), destination(req, answer)); err != nil && ctx.Err() == nil {
			log.Warn("a DHCP answer could not be sent", "port", port.ID, "error", err)
		}
	}
}

// destination is where an answer goes: to the address of a client that has
// one, to everybody else by broadcast, since a client without address does
// not answer ARP.
func destination(req, answer *dhcpv4.DHCPv4) net.Addr {
	if !req.ClientIPAddr.IsUnspecified() && answer.MessageType() != dhcpv4.MessageTypeNak {
		return &net.UDPAddr{IP: req.ClientIPAddr, Port: dhcpv4.ClientPort}
	}
	return &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ClientPort}
}

// errSilent is why a request gets no answer.
var errSilent = errors.New("the request asks for no answer of ours")

// Answer returns the answer to a request of a port.
func Answer(req *dhcpv4.DHCPv4, port spec.Port) (*dhcpv4.DHCPv4, error) {
	address, ok := addressOf(port)
	if port.DHCP == nil || !port.DHCP.Server.Is4() || !ok || req.OpCode != dhcpv4.OpcodeBootRequest {
		return nil, errSilent
	}
	server := net.IP(port.DHCP.Server.AsSlice())
	if id := req.ServerIdentifier(); id != nil && !id.IsUnspecified() && !id.Equal(server) {
		return nil, errSilent
	}
	own := net.IP(address.Address.AsSlice())
	switch req.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return build(req, port, address, dhcpv4.MessageTypeOffer, own)
	case dhcpv4.MessageTypeInform:
		return build(req, port, address, dhcpv4.MessageTypeAck, nil)
	case dhcpv4.MessageTypeRequest:
		if asked := requested(req); !asked.Equal(own) {
			return dhcpv4.NewReplyFromRequest(req, dhcpv4.WithMessageType(dhcpv4.MessageTypeNak), dhcpv4.WithServerIP(server),
				dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server)))
		}
		return build(req, port, address, dhcpv4.MessageTypeAck, own)
	default:
		return nil, errSilent
	}
}

// requested is the address that a client wants to keep or to get.
func requested(req *dhcpv4.DHCPv4) net.IP {
	if ip := req.RequestedIPAddress(); ip != nil && !ip.IsUnspecified() {
		return ip
	}
	return req.ClientIPAddr
}

// addressOf is the IPv4 address that a port gets by DHCP: its first.
func addressOf(p spec.Port) (spec.Address, bool) {
	for _, a := range p.Addresses {
		if a.Address.Is4() {
			return a, true
		}
	}
	return spec.Address{}, false
}

func build(req *dhcpv4.DHCPv4, port spec.Port, a spec.Address, kind dhcpv4.MessageType, own net.IP) (*dhcpv4.DHCPv4, error) {
	o := port.DHCP
	server := net.IP(o.Server.AsSlice())
	lease := time.Duration(o.LeaseSeconds) * time.Second
	if lease <= 0 {
		lease = defaultLease
	}
	with := []dhcpv4.Modifier{
		dhcpv4.WithMessageType(kind),
		dhcpv4.WithServerIP(server),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server)),
		dhcpv4.WithNetmask(net.CIDRMask(a.Bits, 32)),
		dhcpv4.WithOption(dhcpv4.OptClasslessStaticRoute(routes(o, a)...)),
	}
	if own != nil {
		with = append(with, dhcpv4.WithYourIP(own), dhcpv4.WithLeaseTime(uint32(lease/time.Second)))
	}
	if a.Gateway.Is4() {
		with = append(with, dhcpv4.WithRouter(net.IP(a.Gateway.AsSlice())))
	}
	if names := ips(o.DNS); len(names) > 0 {
		with = append(with, dhcpv4.WithDNS(names...))
	}
	if o.HostName != "" {
		with = append(with, dhcpv4.WithOption(dhcpv4.OptHostName(o.HostName)))
	}
	if o.Domain != "" {
		with = append(with, dhcpv4.WithOption(dhcpv4.OptDomainName(o.Domain)))
	}
	if port.MTU > 0 && port.MTU < 1<<16 {
		with = append(with, dhcpv4.WithOption(dhcpv4.Option{Code: dhcpv4.OptionInterfaceMTU, Value: dhcpv4.Uint16(port.MTU)}))
	}
	return dhcpv4.NewReplyFromRequest(req, with...)
}

// routes is option 121. Clients that read it do not read the router option
// (RFC 3442), so the default route is in it too.
func routes(o *spec.DHCPOption, a spec.Address) []*dhcpv4.Route {
	server := net.IP(o.Server.AsSlice())
	all := []*dhcpv4.Route{{Dest: ipNet(netip.PrefixFrom(MetadataAddress, 32)), Router: server}}
	via := net.IPv4zero // on the link
	if a.Gateway.Is4() {
		via = net.IP(a.Gateway.AsSlice())
	}
	for _, p := range o.Routes {
		if p.Addr().Is4() {
			all = append(all, &dhcpv4.Route{Dest: ipNet(p.Masked()), Router: via})
		}
	}
	if a.Gateway.Is4() {
		all = append(all, &dhcpv4.Route{Dest: ipNet(netip.PrefixFrom(netip.IPv4Unspecified(), 0)), Router: via})
	}
	return all
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: net.IP(p.Addr().AsSlice()), Mask: net.CIDRMask(p.Bits(), 32)}
}

func ips(all []netip.Addr) []net.IP {
	var out []net.IP
	for _, a := range all {
		if a.Is4() {
			out = append(out, net.IP(a.AsSlice()))
		}
	}
	return out
}
