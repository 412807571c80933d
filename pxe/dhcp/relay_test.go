package dhcp

import (
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

// relayedResponder also answers for 10.30.0.0/24, behind the router 10.30.0.1.
func relayedResponder(t testing.TB) (*Responder, *seen) {
	t.Helper()
	p, conf := newPool(t, nil)
	r, s := newResponder(t, p)
	far, err := OpenPool(PoolConfig{DB: conf.DB, Name: "10.30.0.0/24", From: netip.MustParseAddr("10.30.0.100"), To: netip.MustParseAddr("10.30.0.103")})
	if err != nil {
		t.Fatal(err)
	}
	r.conf.Relayed = []Network{{Prefix: netip.MustParsePrefix("10.30.0.0/24"), Router: netip.MustParseAddr("10.30.0.1"), Pool: far}}
	return r, s
}

func by(agent string, option82 ...byte) dhcpv4.Modifier {
	return func(d *dhcpv4.DHCPv4) {
		d.GatewayIPAddr = net.ParseIP(agent)
		if len(option82) > 0 {
			d.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionRelayAgentInformation, option82))
		}
	}
}

func TestRelayed(t *testing.T) {
	circuit := append([]byte{relayCircuit, 5}, "swp7/\x00"...)
	circuit = append(append(circuit, relayRemote, 5), "tor-1"...)
	for name, mods := range map[string][]dhcpv4.Modifier{
		"relay":         {ipxe(), by("10.30.0.1", circuit...)},
		"relay-link":    {ipxe(), by("192.0.2.1", relayLink, 4, 10, 30, 0, 0)},
		"relay-unknown": {ipxe(), by("10.40.0.1")},
		"relay-cut":     {ipxe(), by("10.30.0.1", relayCircuit, 200, 'x')},
		"relay-plain":   {by("10.30.0.1")},
		"relay-nak":     {ipxe(), by("10.30.0.1"), dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest), requesting("10.30.0.102")},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := relayedResponder(t)
			out, why := r.Handle(sent(t, 1, dhcpv4.MessageTypeDiscover, mods...))
			text := shown(out, why)
			if out != nil {
				text += "to " + destination(out, &net.UDPAddr{IP: net.ParseIP("192.0.2.9"), Port: 67}).String() + "\n"
			}
			golden(t, name, text)
		})
	}
}

func TestWhereAClientIsPluggedIn(t *testing.T) {
	r, s := relayedResponder(t)
	option := append([]byte{relayCircuit, 4}, "swp7"...)
	option = append(option, relayRemote, 6, 2, 0, 0, 0, 0, 9)
	offer, why := r.Handle(sent(t, 1, dhcpv4.MessageTypeDiscover, ipxe(), by("10.30.0.1", option...)))
	if why != DropNone {
		t.Fatal(why)
	}
	if c := s.clients[0]; c.Circuit != "swp7" || c.Remote != "020000000009" {
		t.Errorf("got %+v, want circuit swp7 and remote 020000000009", c)
	}
	if diff := cmp.Diff(option, offer.Options.Get(dhcpv4.OptionRelayAgentInformation)); diff != "" {
		t.Errorf("option 82 did not come back: %s", diff)
	}
	// Later the client renews with us directly, and the address says where it is.
	ack, why := r.Handle(sent(t, 1, dhcpv4.MessageTypeRequest, ipxe(), by("10.30.0.1"), requesting("10.30.0.100")))
	if why != DropNone || ack.MessageType() != dhcpv4.MessageTypeAck {
		t.Fatal(shown(ack, why))
	}
	ack, why = r.Handle(sent(t, 1, dhcpv4.MessageTypeRequest, dhcpv4.WithClientIP(net.ParseIP("10.30.0.100"))))
	if why != DropNone || ack.MessageType() != dhcpv4.MessageTypeAck || !ack.Router()[0].Equal(net.ParseIP("10.30.0.1")) {
		t.Errorf("renewing: %s", shown(ack, why))
	}
}
