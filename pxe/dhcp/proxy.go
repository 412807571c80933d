package dhcp

import (
	"github.com/insomniacslk/dhcp/dhcpv4"
)

// beside answers as a proxyDHCP server (PXE 2.1, 2.2.3): what to boot, and no
// address, which another server gives.
func (r *Responder) beside(m *dhcpv4.DHCPv4, c Client, n Network) (*dhcpv4.DHCPv4, Drop) {
	kind := m.MessageType()
	r.learn(m, c)
	switch {
	case !c.boots(), kind == dhcpv4.MessageTypeRequest, kind == dhcpv4.MessageTypeRelease, kind == dhcpv4.MessageTypeDecline:
		return nil, r.drop(DropSilent, c, "") // the other server's business
	case kind == dhcpv4.MessageTypeDiscover:
		if r.conf.Observer != nil {
			r.conf.Observer.Discovered(c)
		}
		return r.count(r.bootService(m, c, dhcpv4.MessageTypeOffer)), DropNone
	case kind == dhcpv4.MessageTypeInform:
		return r.count(r.bootService(m, c, dhcpv4.MessageTypeAck)), DropNone
	}
	return nil, r.drop(DropOwn, c, kind.String())
}

// HandleBoot answers a packet that came to port 4011, where firmware asks a
// boot server that made no full offer, or whose offer it wants confirmed.
func (r *Responder) HandleBoot(b []byte) (*dhcpv4.DHCPv4, Drop) {
	m, c, why := r.read(b)
	if why != DropNone {
		return nil, why
	}
	switch {
	case !c.boots():
		return nil, r.drop(DropForeign, c, m.ClassIdentifier())
	case m.MessageType() != dhcpv4.MessageTypeRequest && m.MessageType() != dhcpv4.MessageTypeInform:
		return nil, r.drop(DropOwn, c, m.MessageType().String()+" on port 4011")
	}
	r.learn(m, c)
	out := r.bootService(m, c, dhcpv4.MessageTypeAck)
	out.ClientIPAddr = m.ClientIPAddr
	return r.count(out), DropNone
}

// bootService is an answer without an address. iPXE and UEFI take it for a
// boot server's by its class.
func (r *Responder) bootService(m *dhcpv4.DHCPv4, c Client, t dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	out := r.reply(m, t)
	r.mtu(c, out)
	r.bootOptions(m, c, out)
	if c.Kind == KindIPXE {
		out.UpdateOption(dhcpv4.OptClassIdentifier("PXEClient"))
	}
	return out
}

// learn notes the address that a client has of another server: it says it
// where it asks for it, and where it asks us with it.
func (r *Responder) learn(m *dhcpv4.DHCPv4, c Client) {
	if r.conf.Learn == nil {
		return
	}
	a := toAddr(m.ClientIPAddr)
	if m.MessageType() == dhcpv4.MessageTypeRequest && !a.IsValid() {
		a = toAddr(m.RequestedIPAddress())
	}
	if a.IsValid() {
		r.conf.Learn(c.MAC, a)
	}
}
