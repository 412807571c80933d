package dhcp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// A Network is one that machines boot in: our own, or one behind a relay
// agent.
type Network struct {
	Prefix netip.Prefix
	Router netip.Addr // of its machines; zero: none is told
	Pool   *Pool
	local  bool // on our own wire
}

// Sub-options of option 82, the relay agent's (RFC 3046, RFC 3527).
const (
	relayCircuit = 1 // where the client is plugged in
	relayRemote  = 2 // who says so
	relayLink    = 5 // network of the client, where it is not that of giaddr
)

// network tells which network a packet comes from: that of the relay agent, or
// that of the address which a client of a relayed network renews with us
// directly.
func (r *Responder) network(m *dhcpv4.DHCPv4, c Client) (Network, bool) {
	at := toAddr(m.GatewayIPAddr)
	if link, ok := netip.AddrFromSlice(subOption(m.Options.Get(dhcpv4.OptionRelayAgentInformation), relayLink)); ok && at.IsValid() {
		at = link
	}
	direct := !at.IsValid()
	if direct {
		at = toAddr(m.ClientIPAddr)
	}
	for _, n := range r.conf.Relayed {
		if at.IsValid() && n.Prefix.Contains(at) {
			return n, true
		}
	}
	return Network{Prefix: r.conf.Server.Masked(), Router: r.conf.Gateway, Pool: r.conf.Pool, local: true}, direct
}

// subOption finds a value among encapsulated options: code, length, value.
func subOption(b []byte, code byte) []byte {
	for len(b) >= 2 && b[0] != 255 {
		if b[0] == 0 {
			b = b[1:]
			continue
		}
		n := 2 + int(b[1])
		if n > len(b) {
			return nil
		}
		if b[0] == code {
			return b[2:n]
		}
		b = b[n:]
	}
	return nil
}

// readable is an identifier that a relay agent made: text where it is text,
// else its bytes.
func readable(b []byte) string {
	b = bytes.TrimRight(b, "\x00")
	for _, c := range b {
		if c < ' ' || c > '~' {
			return hex.EncodeToString(b)
		}
	}
	return string(b)
}

// offerFault is the reason for which there is no offer.
func offerFault(err error) Drop {
	if errors.Is(err, ErrConflict) {
		return DropConflict
	}
	return DropExhausted
}
