package dhcp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// Layout of ARP for IPv4 over Ethernet (RFC 826), from the Ethernet header on.
const (
	etherARP   = 0x0806
	arpLen     = etherHeader + 28
	arpRequest = 1
	arpReply   = 2
)

// Each address is asked for twice; an answer on a wire takes milliseconds.
const (
	arpTries = 2
	arpWait  = 200 * time.Millisecond
)

// An Asker asks a wire who has an address.
type Asker struct {
	conn net.PacketConn
	own  net.HardwareAddr

	mu      sync.Mutex
	waiting map[netip.Addr]chan string // guarded by mu
}

// NewAsker opens the wire. Run has to be called.
func NewAsker(ifi *net.Interface) (*Asker, error) {
	conn, err := packet.Listen(ifi, packet.Raw, etherARP, nil)
	if err != nil {
		return nil, fmt.Errorf("ARP on %s: %w", ifi.Name, err)
	}
	return &Asker{conn: conn, own: ifi.HardwareAddr, waiting: map[netip.Addr]chan string{}}, nil
}

// Run reads answers until the context ends.
func (a *Asker) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = a.conn.Close() }) // ends the read below
	defer stop()
	defer func() { _ = a.conn.Close() }()
	buf := make([]byte, 1514)
	for {
		n, _, err := a.conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !passing(err) {
			return fmt.Errorf("read ARP: %w", err)
		}
		if mac, addr, ok := speaker(buf[:n]); ok {
			a.heard(mac, addr)
		}
	}
}

// passing tells whether a raw socket works again after the error: the
// interface was down.
func passing(err error) bool { return errors.Is(err, unix.ENETDOWN) }

// speaker is who an ARP packet says has an address: its sender, whether it
// answers or asks. A probe has no sender's address.
func speaker(frame []byte) (mac string, a netip.Addr, ok bool) {
	if len(frame) < arpLen {
		return "", a, false
	}
	p := frame[etherHeader:]
	if !bytes.Equal(p[:6], []byte{0, 1, 8, 0, 6, 4}) || p[6] != 0 || p[7] != arpRequest && p[7] != arpReply {
		return "", a, false
	}
	a = netip.AddrFrom4([4]byte(p[14:18]))
	mac = canonicalMAC(net.HardwareAddr(p[8:14]))
	return mac, a, mac != "" && !a.IsUnspecified()
}

func (a *Asker) heard(mac string, addr netip.Addr) {
	if mac == a.own.String() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.waiting[addr]; c != nil {
		select {
		case c <- mac:
		default: // one answer is enough
		}
	}
}

// Ask returns the MAC of a device that has the address, or nothing. It takes
// 400 ms where there is none.
func (a *Asker) Ask(addr netip.Addr) string {
	c := make(chan string, 1)
	a.mu.Lock()
	a.waiting[addr] = c
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.waiting, addr)
	}()
	for range arpTries {
		// A request that is lost is one try less; the next one, or the machine's
		// own check of its address, finds what it would have found.
		_, _ = a.conn.WriteTo(arpProbe(a.own, addr), &packet.Addr{HardwareAddr: ethernetBroadcast()})
		select {
		case mac := <-c:
			return mac
		case <-time.After(arpWait):
		}
	}
	return ""
}

func ethernetBroadcast() net.HardwareAddr { return bytes.Repeat([]byte{0xff}, 6) }

// arpProbe is a request without a sender's address, which changes nobody's
// tables (RFC 5227, 2.1.1).
func arpProbe(own net.HardwareAddr, a netip.Addr) []byte {
	f := append(ethernetBroadcast(), own...)
	f = binary.BigEndian.AppendUint16(f, etherARP)
	f = append(f, 0, 1, 8, 0, 6, 4, 0, arpRequest)
	f = append(f, own...)
	f = append(f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	return append(f, a.AsSlice()...)
}
