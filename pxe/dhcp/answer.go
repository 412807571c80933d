package dhcp

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// reply is what all answers have in common.
func (r *Responder) reply(m *dhcpv4.DHCPv4, t dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	out := &dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootReply, HWType: m.HWType, TransactionID: m.TransactionID, Flags: m.Flags,
		ClientIPAddr: net.IPv4zero, YourIPAddr: net.IPv4zero, ServerIPAddr: net.IPv4zero, GatewayIPAddr: m.GatewayIPAddr,
		ClientHWAddr: m.ClientHWAddr, Options: dhcpv4.Options{},
	}
	out.UpdateOption(dhcpv4.OptMessageType(t))
	out.UpdateOption(dhcpv4.OptServerIdentifier(r.conf.Server.Addr().AsSlice()))
	// RFC 6842: the client identifier comes back. RFC 3046, 2.2: so does what
	// the relay agent added.
	for _, code := range []dhcpv4.OptionCode{dhcpv4.OptionClientIdentifier, dhcpv4.OptionRelayAgentInformation} {
		if v := m.Options.Get(code); v != nil {
			out.UpdateOption(dhcpv4.OptGeneric(code, v))
		}
	}
	return out
}

// answer is an OFFER or an ACK with everything that the client needs to go on.
func (r *Responder) answer(m *dhcpv4.DHCPv4, c Client, n Network, t dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	out := r.reply(m, t)
	if m.MessageType() == dhcpv4.MessageTypeInform {
		out.ClientIPAddr = m.ClientIPAddr
	} else {
		out.YourIPAddr = c.Address.AsSlice()
		out.UpdateOption(dhcpv4.OptIPAddressLeaseTime(n.Pool.conf.LeaseTime))
	}
	out.UpdateOption(dhcpv4.OptSubnetMask(net.CIDRMask(n.Prefix.Bits(), 32)))
	out.UpdateOption(dhcpv4.OptBroadcastAddress(broadcast(n.Prefix)))
	if n.Router.IsValid() {
		out.UpdateOption(dhcpv4.OptRouter(n.Router.AsSlice()))
	}
	if c.Kind == KindIPXE {
		out.UpdateOption(dhcpv4.OptGeneric(optionIPXE, []byte{ipxeNoProxy, 1, 1}))
	}
	r.mtu(c, out)
	r.bootOptions(m, c, out)
	return out
}

// mtu tells iPXE how large packets may be. TCP takes it over.
func (r *Responder) mtu(c Client, out *dhcpv4.DHCPv4) {
	if c.Kind == KindIPXE && r.conf.MTU != 0 {
		out.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, binary.BigEndian.AppendUint16(nil, uint16(r.conf.MTU))))
	}
}

// offer finds the address for a client, and asks the wire first whether
// somebody has it already (RFC 2131, 4.4.1). Over a relay agent it cannot ask.
func (r *Responder) offer(c Client, n Network) (netip.Addr, Drop) {
	if err := r.assign(c, n); err != nil {
		return netip.Addr{}, r.drop(DropConflict, c, err.Error())
	}
	const tries = 4
	for range tries {
		a, err := n.Pool.Offer(c.MAC)
		if err != nil {
			return a, r.drop(offerFault(err), c, err.Error())
		}
		if r.conf.Probe == nil || !n.local || !n.Pool.Unproven(c.MAC) {
			return a, DropNone
		}
		if !r.begin(c.MAC) {
			return a, r.drop(DropProbing, c, "")
		}
		owner := r.conf.Probe(a)
		r.end(c.MAC)
		n.Pool.Prove(c.MAC, a, owner)
		if owner == "" || owner == c.MAC {
			return a, DropNone
		}
		r.drop(DropConflict, c, a.String()+" is in use by "+owner)
	}
	return netip.Addr{}, DropConflict
}

// assign gives a machine the address that is written down for it.
func (r *Responder) assign(c Client, n Network) error {
	if r.conf.Named == nil {
		return nil
	}
	a, ok := r.conf.Named(c)
	if !ok || !n.Prefix.Contains(a) {
		return nil
	}
	return n.Pool.Assign(c.MAC, a)
}

func (r *Responder) begin(mac string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.probing[mac] {
		return false
	}
	r.probing[mac] = true
	return true
}

func (r *Responder) end(mac string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.probing, mac)
}

func broadcast(p netip.Prefix) net.IP {
	b := p.Addr().As4()
	mask := net.CIDRMask(p.Bits(), 32)
	for i := range b {
		b[i] |= ^mask[i]
	}
	return b[:]
}
