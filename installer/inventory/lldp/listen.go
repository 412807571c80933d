package lldp

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"sync"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// nearestBridge is where LLDP goes: to the other end of the cable.
var nearestBridge = net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, 0x0e}

// groups are the three addresses that LLDP may come to (802.1AB, table 7-1).
var groups = []net.HardwareAddr{nearestBridge, {0x01, 0x80, 0xc2, 0, 0, 0x03}, {0x01, 0x80, 0xc2, 0, 0, 0x00}}

// askEvery is how often we speak as long as nobody has answered.
const askEvery = 5 * time.Second

// Options of a [Listener].
type Options struct {
	Cards   []string // names of network cards; their links must be up
	Machine string   // id of this machine; empty: listen only
	Name    string   // of this machine, for people
	Log     *slog.Logger
}

// A Listener listens on network cards.
type Listener struct {
	o     Options
	began time.Time
	conns []*packet.Conn
	all   sync.WaitGroup

	mu    sync.Mutex           // guards what follows
	heard map[string]plan.LLDP // by name of the card
	news  chan struct{}        // closed and replaced when something was heard
}

// Listen begins to listen, until Close. A card that cannot be listened on is
// logged and left out.
func Listen(o Options) *Listener {
	l := &Listener{o: o, began: time.Now(), heard: map[string]plan.LLDP{}, news: make(chan struct{})}
	for _, name := range o.Cards {
		card, conn, err := open(name)
		if err != nil {
			o.Log.Warn("LLDP", "card", name, "error", err)
			continue
		}
		l.conns = append(l.conns, conn)
		l.all.Go(func() { l.listen(card, conn) }) // ends when conn is closed
	}
	return l
}

// Close ends listening.
func (l *Listener) Close() error {
	var errs []error
	for _, c := range l.conns {
		errs = append(errs, c.Close())
	}
	l.all.Wait()
	return errors.Join(errs...)
}

// open makes a socket for LLDP frames of one card.
func open(name string) (*net.Interface, *packet.Conn, error) {
	card, err := net.InterfaceByName(name)
	if err != nil {
		return nil, nil, err
	}
	conn, err := packet.Listen(card, packet.Raw, EtherType, nil)
	if err != nil {
		return nil, nil, err
	}
	if err := join(conn, card); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return card, conn, nil
}

// join makes the card let frames to the groups through.
func join(conn *packet.Conn, card *net.Interface) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var errs []error
	err = raw.Control(func(fd uintptr) {
		for _, g := range groups {
			m := unix.PacketMreq{Ifindex: int32(card.Index), Type: unix.PACKET_MR_MULTICAST, Alen: uint16(len(g))}
			copy(m.Address[:], g)
			errs = append(errs, unix.SetsockoptPacketMreq(int(fd), unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m))
		}
	})
	if err = errors.Join(append(errs, err)...); err != nil {
		return fmt.Errorf("join the LLDP groups: %w", err)
	}
	return nil
}

const headerLen = 14 // of an Ethernet frame: destination, source, type

// listen keeps what comes in at one card, and asks until something has.
func (l *Listener) listen(card *net.Interface, conn *packet.Conn) {
	buf := make([]byte, 2048)
	for again := (time.Time{}); ; {
		if !l.has(card.Name) && time.Now().After(again) {
			again = time.Now().Add(askEvery)
			l.ask(card, conn, again)
		}
		n, _, err := conn.ReadFrom(buf)
		switch {
		case err == nil:
			if n > headerLen {
				l.take(card.Name, buf[headerLen:n])
			}
		case !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, unix.ENETDOWN):
			return // closed, or the card is gone
		}
	}
}

// ask announces this machine; reading ends at the given time, to do it again.
func (l *Listener) ask(card *net.Interface, conn *packet.Conn, until time.Time) {
	if l.o.Machine == "" {
		return
	}
	if _, err := conn.WriteTo(announcement(l.o.Machine, l.o.Name, card), &packet.Addr{HardwareAddr: nearestBridge}); err != nil {
		l.o.Log.Info("LLDP: announce", "card", card.Name, "error", err) // no link yet
	}
	if err := conn.SetReadDeadline(until); err != nil {
		l.o.Log.Warn("LLDP: deadline", "card", card.Name, "error", err)
	}
}

// take keeps one announcement. What machines say is passed over: switches
// that do not know LLDP let it through.
func (l *Listener) take(card string, pdu []byte) {
	n, err := Parse(pdu)
	if err != nil || n.Station {
		l.o.Log.Debug("LLDP: passed over", "card", card, "from", n.Chassis, "error", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n.Leaving {
		delete(l.heard, card)
		return
	}
	l.heard[card] = n.LLDP
	close(l.news)
	l.news = make(chan struct{})
}

func (l *Listener) has(card string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.heard[card]
	return ok
}

// Heard is who was heard so far, by name of the card.
func (l *Listener) Heard() map[string]plan.LLDP {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.heard)
}

// Wait returns when each of the cards has heard somebody, or when listening
// has lasted that long.
func (l *Listener) Wait(cards []string, patience time.Duration) {
	late := time.NewTimer(time.Until(l.began.Add(patience)))
	defer late.Stop()
	for {
		l.mu.Lock()
		news, missing := l.news, false
		for _, c := range cards {
			_, ok := l.heard[c]
			missing = missing || !ok
		}
		l.mu.Unlock()
		if !missing {
			return
		}
		select {
		case <-late.C:
			return
		case <-news:
		}
	}
}
