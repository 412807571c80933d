package dhcp

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Files are the loaders by the names that TFTP serves them under.
type Files struct {
	BIOS string // default undionly.kpxe
	UEFI string // default ipxe.efi
	Next string // makes UEFI go on to the disk; for installed machines
}

// An Observer learns who asked. Calls come from the packet loop: be quick.
type Observer interface {
	Discovered(Client)
	OtherServer(mac string, server netip.Addr) // a client chose somebody else's offer
}

// A Counter counts answers, and packets that got none. tally.Counter is one.
type Counter interface {
	Pass(what string)
	Refuse(reason, detail string)
}

// nobody counts nothing.
type nobody struct{}

func (nobody) Pass(string)           {}
func (nobody) Refuse(string, string) {}

// Config of a responder.
type Config struct {
	Server   netip.Prefix // our own address on the wire, with the network's prefix length
	HTTP     string       // base URL of the HTTP server, like http://10.20.0.11:8080
	Files    Files
	Gateway  netip.Addr // zero: none is told
	Pool     *Pool      // of this network
	Relayed  []Network  // networks whose relay agents may ask
	Observer Observer
	Count    Counter
	// Proxy leaves addresses to another server, and adds what to boot (PXE 2.1,
	// 2.2.3: proxyDHCP).
	Proxy bool
	// Learn is told which address a machine has of another server. May be nil.
	Learn func(mac string, a netip.Addr)
	// Named is the address that is written down for a machine. May be nil.
	Named func(Client) (netip.Addr, bool)
	// MTU is the largest packet that iPXE may have sent to it, in bytes; 0: it
	// knows for itself.
	MTU int
	// VLAN is the tag of the management network where this side of it has none:
	// what boots here has to know tags.
	VLAN int
	// Probe asks the wire who has an address, and returns the MAC or nothing.
	// nil: every address counts as free.
	Probe func(netip.Addr) string
	// Installed tells whether a machine is to boot its disk. May be nil.
	Installed func(mac string) bool
	Log       *slog.Logger
}

// A Responder answers DHCP packets. Its methods may be called at once.
type Responder struct {
	conf Config

	mu      sync.Mutex
	probing map[string]bool // MACs whose address is being asked for; guarded by mu
}

// New makes a responder.
func New(conf Config) *Responder {
	if conf.Files.BIOS == "" {
		conf.Files.BIOS = "undionly.kpxe"
	}
	if conf.Files.UEFI == "" {
		conf.Files.UEFI = "ipxe.efi"
	}
	if conf.Count == nil {
		conf.Count = nobody{}
	}
	return &Responder{conf: conf, probing: map[string]bool{}}
}

// Handle answers a packet that came to port 67, or returns nil and the reason,
// which is counted. It waits where an address has to be asked for first.
func (r *Responder) Handle(b []byte) (*dhcpv4.DHCPv4, Drop) {
	m, c, why := r.read(b)
	if why != DropNone {
		return nil, why
	}
	n, ok := r.network(m, c)
	if !ok {
		return nil, r.drop(DropRelay, c, "relay agent "+m.GatewayIPAddr.String())
	}
	switch {
	case c.Kind == KindProbe:
		out := r.reply(m, dhcpv4.MessageTypeOffer)
		out.UpdateOption(dhcpv4.OptClassIdentifier("PXEClient"))
		return r.count(out), DropNone
	case r.conf.Proxy:
		return r.beside(m, c, n)
	}
	if _, known := n.Pool.Address(c.MAC); c.Kind == KindPlain && !known {
		return nil, r.drop(DropForeign, c, m.ClassIdentifier())
	}
	return r.dispatch(m, c, n)
}

// read takes a packet apart and refuses what is no client of ours.
func (r *Responder) read(b []byte) (*dhcpv4.DHCPv4, Client, Drop) {
	m, err := dhcpv4.FromBytes(b)
	if err != nil {
		return nil, Client{}, r.drop(DropMalformed, Client{}, err.Error())
	}
	c := identify(m, r.conf.VLAN != 0)
	switch {
	case m.OpCode != dhcpv4.OpcodeBootRequest:
		return nil, c, r.drop(DropOwn, c, m.OpCode.String())
	case c.MAC == "":
		return nil, c, r.drop(DropMAC, c, m.ClientHWAddr.String())
	case c.Kind == KindAlien:
		return nil, c, r.drop(DropArch, c, c.Arch)
	}
	return m, c, DropNone
}

func (r *Responder) dispatch(m *dhcpv4.DHCPv4, c Client, n Network) (*dhcpv4.DHCPv4, Drop) {
	switch m.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return r.discover(m, c, n)
	case dhcpv4.MessageTypeRequest:
		return r.request(m, c, n)
	case dhcpv4.MessageTypeInform:
		return r.count(r.answer(m, c, n, dhcpv4.MessageTypeAck)), DropNone
	case dhcpv4.MessageTypeRelease:
		a, _ := n.Pool.Address(c.MAC)
		if toAddr(m.ClientIPAddr) != a {
			return nil, r.drop(DropState, c, "release of "+m.ClientIPAddr.String()+", which it does not have")
		}
		return nil, r.settle(c, n.Pool.Release(c.MAC))
	case dhcpv4.MessageTypeDecline:
		a := toAddr(m.RequestedIPAddress())
		r.conf.Log.Warn("address is in use by another device", "mac", c.MAC, "address", a)
		return nil, r.settle(c, n.Pool.Decline(c.MAC, a))
	}
	return nil, r.drop(DropOwn, c, m.MessageType().String())
}

// settle ends what needs no answer.
func (r *Responder) settle(c Client, err error) Drop {
	switch {
	case errors.Is(err, ErrForeign):
		return r.drop(DropState, c, err.Error())
	case err != nil:
		return r.drop(DropStore, c, err.Error())
	}
	return r.drop(DropSilent, c, "")
}

func (r *Responder) discover(m *dhcpv4.DHCPv4, c Client, n Network) (*dhcpv4.DHCPv4, Drop) {
	a, why := r.offer(c, n)
	if why != DropNone {
		return nil, why
	}
	c.Address = a
	if r.conf.Observer != nil {
		r.conf.Observer.Discovered(c)
	}
	return r.count(r.answer(m, c, n, dhcpv4.MessageTypeOffer)), DropNone
}

// request follows RFC 2131 4.3.2: SELECTING names a server, INIT-REBOOT a
// requested address, RENEWING its own address.
func (r *Responder) request(m *dhcpv4.DHCPv4, c Client, n Network) (*dhcpv4.DHCPv4, Drop) {
	if s := toAddr(m.ServerIdentifier()); s.IsValid() && s != r.conf.Server.Addr() {
		if r.conf.Observer != nil {
			r.conf.Observer.OtherServer(c.MAC, s)
		}
		return nil, r.drop(DropOther, c, s.String())
	}
	want := wanted(m)
	if !want.IsValid() {
		return nil, r.drop(DropOwn, c, "REQUEST without an address")
	}
	l, err := n.Pool.Commit(c.MAC, want)
	switch {
	case errors.Is(err, ErrForeign):
		return r.refuse(m, c, err), DropNone
	case err != nil:
		return nil, r.drop(DropStore, c, err.Error())
	}
	c.Address = l.Address
	r.conf.Log.Info("DHCP address given", "mac", c.MAC, "address", l.Address, "client", c.Kind)
	return r.count(r.answer(m, c, n, dhcpv4.MessageTypeAck)), DropNone
}

// wanted is the address that a client asks for or has.
func wanted(m *dhcpv4.DHCPv4) netip.Addr {
	if a := toAddr(m.RequestedIPAddress()); a.IsValid() {
		return a
	}
	return toAddr(m.ClientIPAddr)
}

// refuse tells a client to start again.
func (r *Responder) refuse(m *dhcpv4.DHCPv4, c Client, why error) *dhcpv4.DHCPv4 {
	r.conf.Count.Refuse("nak", c.MAC+" "+why.Error())
	out := r.reply(m, dhcpv4.MessageTypeNak)
	out.SetBroadcast()
	return out
}

func (r *Responder) count(out *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	r.conf.Count.Pass(out.MessageType().String())
	return out
}

func isZero(ip net.IP) bool { return ip == nil || ip.IsUnspecified() }

func toAddr(ip net.IP) netip.Addr {
	a, ok := netip.AddrFromSlice(ip.To4())
	if !ok || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// ScriptURL is where iPXE of that MAC gets its first script.
func ScriptURL(base, mac string) string { return fmt.Sprintf("%s/boot/script?mac=%s", base, mac) }
