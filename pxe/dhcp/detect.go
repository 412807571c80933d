package dhcp

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
)

// askEvery is the time between two DISCOVERs that look for other servers.
const askEvery = time.Minute

// maxOthers bounds how many servers are remembered.
const maxOthers = 64

// An Other is a DHCP server on the wire that is not ours.
type Other struct {
	Server    netip.Addr `json:"server"` // as it calls itself
	MAC       string     `json:"mac"`    // that its frames come from: the server, or a relay agent before it
	Addresses bool       `json:"addresses"`
	Boots     bool       `json:"boots"` // tells machines what to boot
	Poses     bool       `json:"poses"` // says that it is us
	Place     string     `json:"place,omitempty"`
	Answers   uint64     `json:"answers"`
	First     time.Time  `json:"first"`
	Last      time.Time  `json:"last"`
}

// DetectConfig is what a detector needs.
type DetectConfig struct {
	Interface *net.Interface
	Own       []netip.Addr // server addresses that are ours
	// Found is called for each answer of another server, with what is known of
	// it so far. It returns the switch port that the MAC is plugged into, where
	// that is known.
	Found func(Other) string
	Now   func() time.Time // default time.Now
	Log   *slog.Logger
}

// A Detector finds other DHCP servers: it asks for an address now and then,
// and hears the answers that others get.
type Detector struct {
	conf DetectConfig

	mu     sync.Mutex
	others map[string]*Other // by server and MAC; guarded by mu
}

// NewDetector makes a detector. Run has to be called.
func NewDetector(conf DetectConfig) *Detector {
	if conf.Now == nil {
		conf.Now = time.Now
	}
	return &Detector{conf: conf, others: map[string]*Other{}}
}

// Others lists the servers that were found, the newest answer first.
func (d *Detector) Others() []Other {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]Other, 0, len(d.others))
	for _, o := range d.others {
		list = append(list, *o)
	}
	slices.SortFunc(list, func(a, b Other) int { return b.Last.Compare(a.Last) })
	return list
}

// Run asks and listens until the context ends.
func (d *Detector) Run(ctx context.Context) error {
	filter, err := bpf.Assemble(serverFrames())
	if err != nil {
		return fmt.Errorf("look for DHCP servers: %w", err)
	}
	conn, err := packet.Listen(d.conf.Interface, packet.Raw, etherIPv4, &packet.Config{Filter: filter})
	if err != nil {
		return fmt.Errorf("look for DHCP servers on %s: %w", d.conf.Interface.Name, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends the read below
	defer stop()
	defer func() { _ = conn.Close() }()
	go d.ask(ctx, conn) // ends with the context
	buf := make([]byte, 4096)
	for {
		n, _, err := conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !passing(err) {
			return fmt.Errorf("look for DHCP servers: %w", err)
		}
		d.hear(buf[:n])
	}
}

// serverFrames lets UDP packets from port 67 to port 68 pass.
func serverFrames() []bpf.Instruction {
	const protoAt, fragmentAt = etherHeader + 9, etherHeader + 6
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: protoAt, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoUDP, SkipTrue: 6},
		bpf.LoadAbsolute{Off: fragmentAt, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 4},
		bpf.LoadMemShift{Off: etherHeader},
		bpf.LoadIndirect{Off: etherHeader, Size: 4}, // both ports
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: dhcpv4.ServerPort<<16 | dhcpv4.ClientPort, SkipTrue: 1},
		bpf.RetConstant{Val: 4096},
		bpf.RetConstant{Val: 0},
	}
}

// ask sends a DISCOVER now and every minute. It looks like a machine's, so
// that servers which only answer machines that boot are found too.
func (d *Detector) ask(ctx context.Context, conn net.PacketConn) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		if _, err := conn.WriteTo(question(d.conf.Interface.HardwareAddr), &packet.Addr{HardwareAddr: ethernetBroadcast()}); err != nil && ctx.Err() == nil {
			d.conf.Log.Debug("DISCOVER not sent", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// hear looks at a frame that passed the filter.
func (d *Detector) hear(frame []byte) {
	mac, o, ok := d.read(frame)
	if !ok {
		return
	}
	d.mu.Lock()
	key := o.Server.String() + " " + mac
	known := d.others[key]
	if known == nil {
		if len(d.others) >= maxOthers {
			d.mu.Unlock()
			return
		}
		known = &Other{Server: o.Server, MAC: mac, First: d.conf.Now()}
		d.others[key] = known
	}
	known.Addresses, known.Boots, known.Poses = known.Addresses || o.Addresses, known.Boots || o.Boots, known.Poses || o.Poses
	known.Answers++
	known.Last = d.conf.Now()
	found := *known
	d.mu.Unlock()
	place := d.conf.Found(found)
	d.mu.Lock()
	defer d.mu.Unlock()
	known.Place = place
}

// read takes a frame apart that a DHCP server sent. What we sent ourselves,
// and what a relay agent passes on for us, does not count.
func (d *Detector) read(frame []byte) (mac string, o Other, ok bool) {
	if len(frame) < etherHeader+20 {
		return "", o, false
	}
	ip := frame[etherHeader:]
	udp := int(ip[0]&0x0f) * 4
	if len(ip) < udp+8 {
		return "", o, false
	}
	m, err := dhcpv4.FromBytes(ip[udp+8:])
	mac = canonicalMAC(net.HardwareAddr(frame[6:12]))
	if err != nil || m.OpCode != dhcpv4.OpcodeBootReply || mac == "" || mac == d.conf.Interface.HardwareAddr.String() {
		return "", o, false
	}
	o.Server = toAddr(m.ServerIdentifier())
	if !o.Server.IsValid() {
		o.Server = netip.AddrFrom4([4]byte(ip[12:16]))
	}
	o.Poses = slices.Contains(d.conf.Own, o.Server)
	if o.Poses && !isZero(m.GatewayIPAddr) {
		return "", o, false
	}
	o.Addresses = toAddr(m.YourIPAddr).IsValid()
	o.Boots = m.BootFileName != "" || m.Options.Get(dhcpv4.OptionBootfileName) != nil ||
		m.ClassIdentifier() == "PXEClient" || m.ClassIdentifier() == "HTTPClient"
	return mac, o, true
}

// Layout of IPv4 and UDP (RFC 791, RFC 768).
const (
	etherIPv4 = 0x0800
	protoUDP  = 17
)

// question is the frame of a DISCOVER of ours.
func question(own net.HardwareAddr) []byte {
	id := dhcpv4.TransactionID(binary.BigEndian.AppendUint32(nil, rand.Uint32()))
	m := &dhcpv4.DHCPv4{OpCode: dhcpv4.OpcodeBootRequest, HWType: 1, TransactionID: id, ClientHWAddr: own, Options: dhcpv4.Options{},
		ClientIPAddr: net.IPv4zero, YourIPAddr: net.IPv4zero, ServerIPAddr: net.IPv4zero, GatewayIPAddr: net.IPv4zero}
	m.SetBroadcast()
	m.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageTypeDiscover))
	m.UpdateOption(dhcpv4.OptClassIdentifier("PXEClient:Arch:00000:UNDI:002001"))
	m.UpdateOption(dhcpv4.OptUserClass(classProbe))
	m.UpdateOption(dhcpv4.OptParameterRequestList(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionBootfileName))
	body := m.ToBytes()
	f := append(ethernetBroadcast(), own...)
	f = binary.BigEndian.AppendUint16(f, etherIPv4)
	f = append(f, ipv4Header(len(body)+8)...)
	f = binary.BigEndian.AppendUint16(f, dhcpv4.ClientPort)
	f = binary.BigEndian.AppendUint16(f, dhcpv4.ServerPort)
	f = binary.BigEndian.AppendUint16(f, uint16(len(body)+8))
	f = append(f, 0, 0) // no checksum, which UDP over IPv4 allows
	return append(f, body...)
}

// ipv4Header is that of a broadcast from nobody with n bytes of payload.
func ipv4Header(n int) []byte {
	h := []byte{0x45, 0, byte((n + 20) >> 8), byte(n + 20), 0, 0, 0, 0, 64, protoUDP, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255}
	var sum uint32
	for i := 0; i < len(h); i += 2 {
		sum += uint32(h[i])<<8 | uint32(h[i+1])
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(h[10:], ^uint16(sum))
	return h
}
