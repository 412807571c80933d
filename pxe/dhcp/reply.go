package dhcp

import (
	"encoding/json"
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

// Config of a responder.
type Config struct {
	Server   netip.Prefix // our own address on the wire, with the network's prefix length
	HTTP     string       // base URL of the HTTP server, like http://10.20.0.11:8080
	Files    Files
	Gateway  netip.Addr // zero: none is told
	Pool     *Pool
	Observer Observer
	// Installed tells whether a machine is to boot its disk. May be nil.
	Installed func(mac string) bool
	Log       *slog.Logger
}

// A Responder answers DHCP packets.
type Responder struct {
	conf Config

	mu    sync.Mutex
	drops map[Drop]uint64 // guarded by mu
	alien map[string]bool // MACs whose strangeness was logged; guarded by mu
}

// New makes a responder.
func New(conf Config) *Responder {
	if conf.Files.BIOS == "" {
		conf.Files.BIOS = "undionly.kpxe"
	}
	if conf.Files.UEFI == "" {
		conf.Files.UEFI = "ipxe.efi"
	}
	return &Responder{conf: conf, drops: map[Drop]uint64{}, alien: map[string]bool{}}
}

// Drop is a reason for not answering.
type Drop string

// Every reason for not answering.
const (
	DropNone      Drop = ""
	DropMalformed Drop = "malformed"       // not DHCP, or cut short
	DropOwn       Drop = "not-a-request"   // an answer, or an unknown message
	DropMAC       Drop = "bad-mac"         // not the address of one Ethernet device
	DropRelayed   Drop = "relayed"         // from another network; we serve this one
	DropForeign   Drop = "foreign"         // never asked to boot
	DropArch      Drop = "architecture"    // firmware that we have no image for
	DropOther     Drop = "other-server"    // chose another server's offer
	DropExhausted Drop = "range-exhausted" // no address left
	DropStore     Drop = "store"           // the lease could not be kept
	DropSilent    Drop = "needs-no-answer" // RELEASE, DECLINE
)

// Drops tells how many packets got no answer, by reason.
func (r *Responder) Drops() map[Drop]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[Drop]uint64, len(r.drops))
	for k, v := range r.drops {
		out[k] = v
	}
	return out
}

// Handle answers the packet b, or returns nil and the reason, which is counted.
func (r *Responder) Handle(b []byte) (*dhcpv4.DHCPv4, Drop) {
	m, err := dhcpv4.FromBytes(b)
	if err != nil {
		return nil, r.drop(DropMalformed, Client{}, err.Error())
	}
	c := identify(m)
	switch {
	case m.OpCode != dhcpv4.OpcodeBootRequest:
		return nil, r.drop(DropOwn, c, m.OpCode.String())
	case c.MAC == "":
		return nil, r.drop(DropMAC, c, m.ClientHWAddr.String())
	case !isZero(m.GatewayIPAddr):
		return nil, r.drop(DropRelayed, c, "by "+m.GatewayIPAddr.String())
	case c.Kind == KindAlien:
		return nil, r.drop(DropArch, c, c.Arch)
	}
	if _, known := r.conf.Pool.Address(c.MAC); c.Kind == KindPlain && !known {
		return nil, r.drop(DropForeign, c, m.ClassIdentifier())
	}
	return r.dispatch(m, c)
}

func (r *Responder) dispatch(m *dhcpv4.DHCPv4, c Client) (*dhcpv4.DHCPv4, Drop) {
	switch m.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return r.discover(m, c)
	case dhcpv4.MessageTypeRequest:
		return r.request(m, c)
	case dhcpv4.MessageTypeInform:
		return r.answer(m, c, dhcpv4.MessageTypeAck), DropNone
	case dhcpv4.MessageTypeRelease:
		if a := toAddr(m.ClientIPAddr); a == r.addressOf(c.MAC) {
			return nil, r.settle(c, r.conf.Pool.Release(c.MAC))
		}
		return nil, r.drop(DropSilent, c, "release of an address that it does not have")
	case dhcpv4.MessageTypeDecline:
		r.conf.Log.Warn("address is in use by another device", "mac", c.MAC, "address", m.RequestedIPAddress())
		return nil, r.settle(c, r.conf.Pool.Decline(c.MAC, toAddr(m.RequestedIPAddress())))
	}
	return nil, r.drop(DropOwn, c, m.MessageType().String())
}

func (r *Responder) addressOf(mac string) netip.Addr {
	a, _ := r.conf.Pool.Address(mac)
	return a
}

func (r *Responder) settle(c Client, err error) Drop {
	if err != nil {
		return r.drop(DropStore, c, err.Error())
	}
	return r.drop(DropSilent, c, "")
}

func (r *Responder) discover(m *dhcpv4.DHCPv4, c Client) (*dhcpv4.DHCPv4, Drop) {
	a, err := r.conf.Pool.Offer(c.MAC)
	if err != nil {
		return nil, r.drop(DropExhausted, c, err.Error())
	}
	c.Address = a
	r.observe(c)
	return r.answer(m, c, dhcpv4.MessageTypeOffer), DropNone
}

// request follows RFC 2131 4.3.2: SELECTING names a server, INIT-REBOOT a
// requested address, RENEWING its own address.
func (r *Responder) request(m *dhcpv4.DHCPv4, c Client) (*dhcpv4.DHCPv4, Drop) {
	if s := toAddr(m.ServerIdentifier()); s.IsValid() && s != r.conf.Server.Addr() {
		if r.conf.Observer != nil {
			r.conf.Observer.OtherServer(c.MAC, s)
		}
		return nil, r.drop(DropOther, c, s.String())
	}
	want := toAddr(m.RequestedIPAddress())
	if !want.IsValid() {
		want = toAddr(m.ClientIPAddr)
	}
	if !want.IsValid() {
		return nil, r.drop(DropOwn, c, "request without an address")
	}
	l, err := r.conf.Pool.Commit(c.MAC, want)
	if err != nil {
		r.conf.Log.Info("DHCP refused", "mac", c.MAC, "wanted", want, "why", err)
		return r.refuse(m), DropNone
	}
	c.Address = l.Address
	r.conf.Log.Info("DHCP address given", "mac", c.MAC, "address", l.Address, "client", c.Kind)
	return r.answer(m, c, dhcpv4.MessageTypeAck), DropNone
}

func (r *Responder) observe(c Client) {
	if r.conf.Observer != nil {
		r.conf.Observer.Discovered(c)
	}
}

// refuse tells a client to start again.
func (r *Responder) refuse(m *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	out := r.reply(m, dhcpv4.MessageTypeNak)
	out.SetBroadcast()
	return out
}

func (r *Responder) reply(m *dhcpv4.DHCPv4, t dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	out := &dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootReply, HWType: m.HWType, TransactionID: m.TransactionID, Flags: m.Flags,
		ClientIPAddr: net.IPv4zero, YourIPAddr: net.IPv4zero, ServerIPAddr: net.IPv4zero, GatewayIPAddr: net.IPv4zero,
		ClientHWAddr: m.ClientHWAddr, Options: dhcpv4.Options{},
	}
	out.UpdateOption(dhcpv4.OptMessageType(t))
	out.UpdateOption(dhcpv4.OptServerIdentifier(r.conf.Server.Addr().AsSlice()))
	// RFC 6842: the client identifier comes back.
	if id := m.Options.Get(dhcpv4.OptionClientIdentifier); id != nil {
		out.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientIdentifier, id))
	}
	return out
}

// answer is an OFFER or an ACK with everything that the client needs to go on.
func (r *Responder) answer(m *dhcpv4.DHCPv4, c Client, t dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	out := r.reply(m, t)
	if m.MessageType() == dhcpv4.MessageTypeInform {
		out.ClientIPAddr = m.ClientIPAddr
	} else {
		out.YourIPAddr = c.Address.AsSlice()
		out.UpdateOption(dhcpv4.OptIPAddressLeaseTime(r.conf.Pool.conf.LeaseTime))
	}
	out.ServerIPAddr = r.conf.Server.Addr().AsSlice()
	out.UpdateOption(dhcpv4.OptSubnetMask(net.CIDRMask(r.conf.Server.Bits(), 32)))
	out.UpdateOption(dhcpv4.OptBroadcastAddress(broadcast(r.conf.Server)))
	if r.conf.Gateway.IsValid() {
		out.UpdateOption(dhcpv4.OptRouter(r.conf.Gateway.AsSlice()))
	}
	r.bootOptions(m, c, out)
	return out
}

func (r *Responder) drop(why Drop, c Client, detail string) Drop {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drops[why]++
	if key := string(why) + c.MAC; why != DropSilent && !r.alien[key] && len(r.alien) < 1024 {
		r.alien[key] = true
		r.conf.Log.Info("DHCP packet not answered", "why", why, "mac", c.MAC, "detail", detail)
	}
	return why
}

// MarshalJSON shows the drops, for the status of the service.
func (r *Responder) MarshalJSON() ([]byte, error) { return json.Marshal(r.Drops()) }

func isZero(ip net.IP) bool { return ip == nil || ip.IsUnspecified() }

func toAddr(ip net.IP) netip.Addr {
	a, ok := netip.AddrFromSlice(ip.To4())
	if !ok || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

func broadcast(p netip.Prefix) net.IP {
	b := p.Addr().As4()
	mask := net.CIDRMask(p.Bits(), 32)
	for i := range b {
		b[i] |= ^mask[i]
	}
	return b[:]
}

// ScriptURL is where iPXE of that MAC gets its first script.
func ScriptURL(base, mac string) string { return fmt.Sprintf("%s/boot/script?mac=%s", base, mac) }
