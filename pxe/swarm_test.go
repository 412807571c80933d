package pxe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"

	"github.com/cairn-cloud/cairn/pxe/fleet"
)

// lossy forgets some of the packets that pass it.
type lossy struct {
	net.PacketConn
	mu  sync.Mutex
	rng *rand.Rand // guarded by mu
}

// lost is true for one packet in twenty.
func (l *lossy) lost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rng.IntN(20) == 0
}

func (l *lossy) WriteTo(b []byte, a net.Addr) (int, error) {
	if l.lost() {
		return len(b), nil
	}
	return l.PacketConn.WriteTo(b, a)
}

func (l *lossy) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, a, err := l.PacketConn.ReadFrom(b)
		if err != nil || !l.lost() {
			return n, a, err
		}
	}
}

// TestARackIsSwitchedOnAtOnce has a hundred machines ask for an address at
// the same moment over a wire that loses one packet in twenty.
func TestARackIsSwitchedOnAtOnce(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	_, state := startDeployer(t, []byte("kernel"), nil)
	s := newStation(t, br, 200)
	const machines = 100 // as many as the range has addresses
	var wg sync.WaitGroup
	var mu sync.Mutex
	given := map[netip.Addr]int{}
	for n := range machines {
		wg.Go(func() {
			ack, err := s.leaseOver5PercentLoss(n)
			if err != nil {
				t.Errorf("machine %d: %v", n, err)
				return
			}
			a, _ := netip.AddrFromSlice(ack.YourIPAddr.To4())
			mu.Lock()
			defer mu.Unlock()
			given[a]++
		})
	}
	wg.Wait()
	for a, n := range given {
		if n != 1 {
			t.Errorf("%s was given to %d machines", a, n)
		}
	}
	list := operatorList(t, s, state)
	if len(given) != machines || len(list) != machines {
		t.Errorf("%d of %d machines have an address, %d were seen", len(given), machines, len(list))
	}
	for _, m := range list {
		if m.State != fleet.Seen {
			t.Errorf("%s is %s, want seen", m.ID, m.State)
		}
	}
}

func (s *station) leaseOver5PercentLoss(n int) (*dhcpv4.DHCPv4, error) {
	mac := net.HardwareAddr{0x52, 0x54, 0, 1, 0, byte(n)}
	var conn net.PacketConn
	err := s.do(func() (err error) {
		conn, err = nclient4.NewRawUDPConn("eth0", dhcpv4.ClientPort)
		return err
	})
	if err != nil {
		return nil, err
	}
	c, err := nclient4.NewWithConn(&lossy{PacketConn: conn, rng: rand.New(rand.NewPCG(1, uint64(n)))}, mac,
		nclient4.WithTimeout(2*time.Second), nclient4.WithRetry(60))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	l, err := c.Request(context.Background(), asIPXE(), dhcpv4.WithBroadcast(true))
	var nak *nclient4.ErrNak
	if errors.As(err, &nak) {
		return nil, fmt.Errorf("refused: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return l.ACK, nil
}
