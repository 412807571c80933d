package scale

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A wire is the one socket that all machines send and hear DHCP on.
type wire struct {
	conn net.PacketConn

	mu      sync.Mutex // guards waiting
	waiting map[dhcpv4.TransactionID]chan *dhcpv4.DHCPv4
}

// openWire listens on the interface until it is closed.
func openWire(name string) (*wire, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("DHCP on %s: %w", name, err)
	}
	filter, err := toClients()
	if err != nil {
		return nil, err
	}
	raw, err := packet.Listen(ifi, packet.Datagram, unix.ETH_P_IP, &packet.Config{Filter: filter})
	if err != nil {
		return nil, fmt.Errorf("DHCP on %s: %w", name, err)
	}
	if err := enlarge(raw); err != nil {
		return nil, fmt.Errorf("DHCP on %s: %w", name, errors.Join(err, raw.Close()))
	}
	conn := nclient4.NewBroadcastUDPConn(raw, &net.UDPAddr{Port: dhcpv4.ClientPort})
	w := &wire{conn: conn, waiting: map[dhcpv4.TransactionID]chan *dhcpv4.DHCPv4{}}
	go w.listen()
	return w, nil
}

// heard is how many bytes may wait to be read: one socket hears for all
// machines, each of which has a network card of its own in truth.
const heard = 16 << 20

// enlarge makes room for that, whatever the host's limit is.
func enlarge(raw *packet.Conn) error {
	c, err := raw.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = c.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, heard) })
	return errors.Join(err, set)
}

// toClients lets UDP packets to port 68 pass, whose IP header has no options,
// and not what all machines fetch over the same wire.
func toClients() ([]bpf.RawInstruction, error) {
	const protocol, udp, port, all = 9, 17, 22, 1 << 16
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: protocol, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: udp, SkipTrue: 3},
		bpf.LoadAbsolute{Off: port, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: dhcpv4.ClientPort, SkipTrue: 1},
		bpf.RetConstant{Val: all},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return nil, fmt.Errorf("filter for DHCP: %w", err)
	}
	return filter, nil
}

// listen ends when the connection is closed.
func (w *wire) listen() {
	buf := make([]byte, 4096)
	for {
		n, _, err := w.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		m, err := dhcpv4.FromBytes(buf[:n])
		if err != nil || m.OpCode != dhcpv4.OpcodeBootReply {
			continue
		}
		w.mu.Lock()
		c := w.waiting[m.TransactionID]
		w.mu.Unlock()
		select {
		case c <- m: // a nil channel never takes one
		default:
		}
	}
}

// ask sends a message again and again, slower each time as RFC 2131 (4.1)
// says, until an answer of the wanted kind comes.
func (w *wire) ask(ctx context.Context, m *dhcpv4.DHCPv4, want dhcpv4.MessageType) (*dhcpv4.DHCPv4, error) {
	c := make(chan *dhcpv4.DHCPv4, 4)
	w.mu.Lock()
	w.waiting[m.TransactionID] = c
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.waiting, m.TransactionID)
		w.mu.Unlock()
	}()
	for pause := 4 * time.Second; ; pause = min(2*pause, 64*time.Second) {
		if _, err := w.conn.WriteTo(m.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ServerPort}); err != nil {
			return nil, fmt.Errorf("send DHCP: %w", err)
		}
		select {
		case a := <-c:
			if a.MessageType() == want {
				return a, nil
			}
			return nil, fmt.Errorf("DHCP: %s instead of %s", a.MessageType(), want)
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// A client is which program of a machine asks.
type client func(*dhcpv4.DHCPv4)

func firmware(arch iana.Arch) client {
	return func(d *dhcpv4.DHCPv4) {
		d.UpdateOption(dhcpv4.OptClassIdentifier(fmt.Sprintf("PXEClient:Arch:%05d:UNDI:002001", arch)))
		d.UpdateOption(dhcpv4.OptClientArch(arch))
	}
}

func ipxe(arch iana.Arch) client {
	return func(d *dhcpv4.DHCPv4) {
		firmware(arch)(d)
		d.UpdateOption(dhcpv4.OptUserClass("iPXE"))
	}
}

func installer(d *dhcpv4.DHCPv4) { d.UpdateOption(dhcpv4.OptClassIdentifier("cairn-installer")) }

// lease gets an address, as the client that is given does.
func (w *wire) lease(ctx context.Context, mac net.HardwareAddr, as client) (*dhcpv4.DHCPv4, netip.Addr, error) {
	discover, err := dhcpv4.NewDiscovery(mac, dhcpv4.WithBroadcast(true), dhcpv4.Modifier(as))
	if err != nil {
		return nil, netip.Addr{}, err
	}
	offer, err := w.ask(ctx, discover, dhcpv4.MessageTypeOffer)
	if err != nil {
		return nil, netip.Addr{}, err
	}
	request, err := dhcpv4.NewRequestFromOffer(offer, dhcpv4.WithBroadcast(true), dhcpv4.Modifier(as))
	if err != nil {
		return nil, netip.Addr{}, err
	}
	ack, err := w.ask(ctx, request, dhcpv4.MessageTypeAck)
	if err != nil {
		return nil, netip.Addr{}, err
	}
	a, ok := netip.AddrFromSlice(ack.YourIPAddr.To4())
	if !ok || a.IsUnspecified() {
		return nil, a, errors.New("DHCP: the answer has no address")
	}
	return ack, a, nil
}
