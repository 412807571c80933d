package dhcp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// TestRefusals has a line for each reason, and says exactly what is said of it.
func TestRefusals(t *testing.T) {
	pxe := func(a iana.Arch) dhcpv4.Modifier { return firmware("PXEClient:Arch:00000:UNDI:002001", a) }
	as := dhcpv4.WithMessageType
	seen := map[Drop]bool{}
	for _, c := range []struct {
		why   Drop
		said  string
		mods  []dhcpv4.Modifier
		first func(*Responder, *Pool)
	}{
		{why: DropOwn, said: "not-a-request: " + one + " BootReply", mods: []dhcpv4.Modifier{ipxe(), func(d *dhcpv4.DHCPv4) { d.OpCode = dhcpv4.OpcodeBootReply }}},
		{why: DropOwn, said: "not-a-request: " + one + " unknown (10)", mods: []dhcpv4.Modifier{ipxe(), as(dhcpv4.MessageType(10))}},
		{why: DropOwn, said: "not-a-request: " + one + " REQUEST without an address", mods: []dhcpv4.Modifier{ipxe(), as(dhcpv4.MessageTypeRequest)}},
		{why: DropMAC, said: "bad-mac: 01:00:00:00:00:01", mods: []dhcpv4.Modifier{ipxe(), dhcpv4.WithHwAddr(net.HardwareAddr{1, 0, 0, 0, 0, 1})}},
		{why: DropRelay, said: "unknown-relay: " + one + " relay agent 10.9.9.9", mods: []dhcpv4.Modifier{ipxe(), dhcpv4.WithRelay(net.ParseIP("10.9.9.9"))}},
		{why: DropForeign, said: "foreign: " + one + " MSFT 5.0", mods: []dhcpv4.Modifier{dhcpv4.WithOption(dhcpv4.OptClassIdentifier("MSFT 5.0"))}},
		{why: DropArch, said: "architecture: " + one + " EFI ARM64", mods: []dhcpv4.Modifier{pxe(iana.EFI_ARM64)}},
		{why: DropOther, said: "other-server: " + one + " 10.20.0.1", mods: []dhcpv4.Modifier{ipxe(), as(dhcpv4.MessageTypeRequest), toServer("10.20.0.1"), requesting("10.20.0.7")}},
		{why: DropExhausted, said: "range-exhausted: " + one + " every address of the range is in use: 10.20.0.100-10.20.0.103", mods: []dhcpv4.Modifier{ipxe()},
			first: func(_ *Responder, p *Pool) {
				for n := byte(2); n < 6; n++ {
					give(t, p, hw(n).String())
				}
			}},
		{why: DropConflict, said: "address-in-use: " + one + " two claim one address: 10.20.0.50 is named for the machines " + one + " and " + two + " in rack.yaml; name another for one of them",
			mods: []dhcpv4.Modifier{ipxe()},
			first: func(r *Responder, p *Pool) {
				if err := p.Assign(two, addr("10.20.0.50")); err != nil {
					t.Fatal(err)
				}
				r.conf.Named = func(Client) (netip.Addr, bool) { return addr("10.20.0.50"), true }
			}},
		{why: DropProbing, said: "being-probed: ", mods: []dhcpv4.Modifier{ipxe()}, first: func(r *Responder, _ *Pool) {
			r.conf.Probe = func(netip.Addr) string { return "" }
			r.begin(one)
		}},
		{why: DropState, said: "not-its-address: " + one + " release of 10.20.0.103, which it does not have",
			mods:  []dhcpv4.Modifier{ipxe(), as(dhcpv4.MessageTypeRelease), dhcpv4.WithClientIP(net.ParseIP("10.20.0.103"))},
			first: func(_ *Responder, p *Pool) { give(t, p, one) }},
		{why: DropState, said: "not-its-address: " + one + " 10.20.0.103 from " + one + ": the address belongs to another machine",
			mods:  []dhcpv4.Modifier{ipxe(), as(dhcpv4.MessageTypeDecline), requesting("10.20.0.103")},
			first: func(_ *Responder, p *Pool) { give(t, p, one) }},
		{why: DropStore, said: "store: " + one + " keep lease of " + one + ": database not open", mods: []dhcpv4.Modifier{ipxe(), as(dhcpv4.MessageTypeRequest), requesting("10.20.0.100")},
			first: func(_ *Responder, p *Pool) {
				if _, err := p.Offer(one); err != nil {
					t.Fatal(err)
				}
				if err := p.conf.DB.Close(); err != nil {
					t.Fatal(err)
				}
			}},
		{why: DropNone, said: "nak: " + one + " 10.20.0.103 for " + one + ": the address belongs to another machine", mods: []dhcpv4.Modifier{ipxe(), as(dhcpv4.MessageTypeRequest), requesting("10.20.0.103")}},
		{why: DropSilent, said: "needs-no-answer: ", mods: []dhcpv4.Modifier{ipxe(), as(dhcpv4.MessageTypeRelease), dhcpv4.WithClientIP(net.ParseIP("10.20.0.100"))},
			first: func(_ *Responder, p *Pool) { give(t, p, one) }},
	} {
		p, _ := newPool(t, nil)
		r, _ := newResponder(t, p)
		if c.first != nil {
			c.first(r, p)
		}
		_, why := r.Handle(sent(t, 1, dhcpv4.MessageTypeDiscover, c.mods...))
		if said := r.conf.Count.(*tallies).last; why != c.why || said != c.said {
			t.Errorf("got %q and said\n%s, want %q and\n%s", why, said, c.why, c.said)
		}
		seen[why] = true
	}

	p, _ := newPool(t, nil)
	r, _ := newResponder(t, p)
	if _, why := r.Handle([]byte("rubbish")); why != DropMalformed {
		t.Errorf("got %q, want %q", why, DropMalformed)
	}
	if _, why := r.HandleBoot(sent(t, 1, dhcpv4.MessageTypeDiscover, pxe(iana.EFI_X86_64))); why != DropOwn || r.conf.Count.(*tallies).last != "not-a-request: "+one+" DISCOVER on port 4011" {
		t.Errorf("got %q and said %s", why, r.conf.Count.(*tallies).last)
	}
	r.respond(broken{}, &net.UDPAddr{}, r.Handle, sent(t, 1, dhcpv4.MessageTypeDiscover, ipxe()))
	if got, want := r.conf.Count.(*tallies).last, "not-sent: "+one+" to 255.255.255.255:68: network is unreachable"; got != want {
		t.Errorf("said %s, want %s", got, want)
	}
	for _, why := range []Drop{DropNone, DropOwn, DropMAC, DropRelay, DropForeign, DropArch, DropOther, DropExhausted, DropConflict, DropProbing, DropState, DropStore, DropSilent} {
		if !seen[why] {
			t.Errorf("nothing was refused as %q", why)
		}
	}
}

// broken is a socket that sends nothing.
type broken struct{ net.PacketConn }

func (broken) WriteTo([]byte, net.Addr) (int, error) { return 0, errors.New("network is unreachable") }

func TestPoolsThatCannotBe(t *testing.T) {
	for want, c := range map[string]PoolConfig{
		"address range invalid IP-invalid IP is empty; allowed: two IPv4 addresses, the lower one first": {},
		"address range 10.0.0.2-10.0.0.1 is empty; allowed: two IPv4 addresses, the lower one first":     {From: addr("10.0.0.2"), To: addr("10.0.0.1")},
	} {
		if _, err := OpenPool(c); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestBusy has more packets come than are worked on at once.
func TestBusy(t *testing.T) {
	p, _ := newPool(t, nil)
	r, _ := newResponder(t, p)
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("udp4", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithCancel(t.Context())
	blocked, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- r.serve(ctx, server, func([]byte) (*dhcpv4.DHCPv4, Drop) { <-blocked; return nil, DropSilent })
	}()
	count := r.conf.Count.(*tallies)
	for n := 0; n == 0; {
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		count.mu.Lock()
		n = count.counts["busy"]
		count.mu.Unlock()
	}
	if want := "busy: 512 packets at once"; count.last != want {
		t.Errorf("said %s, want %s", count.last, want)
	}
	cancel()
	close(blocked)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
