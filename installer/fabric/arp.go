package fabric

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Numbers of ARP (RFC 826).
const (
	arpLen   = 28
	arpReply = 2
)

// arpProbe asks who has the address without saying that we have it (RFC 5227,
// 2.1.1: the sender's address is zero).
func arpProbe(from net.HardwareAddr, who netip.Addr) []byte {
	b := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, from...)
	b = append(b, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
	b = append(append(b, from...), 0, 0, 0, 0)
	ip := who.As4()
	return append(append(b, 0, 0, 0, 0, 0, 0), ip[:]...)
}

// owner is the MAC of somebody who says to have the address.
func owner(frame []byte, who netip.Addr) (string, bool) {
	if len(frame) < headerLen+arpLen || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_ARP {
		return "", false
	}
	arp := frame[headerLen:]
	if binary.BigEndian.Uint16(arp[6:]) != arpReply || netip.AddrFrom4([4]byte(arp[14:18])) != who {
		return "", false
	}
	return net.HardwareAddr(arp[8:14]).String(), true
}

// Others asks who else has the address, until the context ends, and returns
// the MACs of those who answer. mac is that of the card that has it here.
func Others(ctx context.Context, mac string, who netip.Addr) ([]string, error) {
	card, err := addressed(mac, who)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(wire(unix.ETH_P_ARP)))
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	s := &socket{fd, card}
	own, err := ownMACs()
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	found, err := s.others(ctx, who, own)
	return found, errors.Join(err, s.close())
}

// ownMACs are those of this machine's cards: another one that is plugged into
// the same network is nobody else.
func ownMACs() ([]string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("network cards: %w", err)
	}
	var list []string
	for _, c := range all {
		list = append(list, c.HardwareAddr.String())
	}
	return list, nil
}

func (s *socket) others(ctx context.Context, who netip.Addr, own []string) ([]string, error) {
	at := &unix.SockaddrLinklayer{Protocol: wire(unix.ETH_P_ARP), Ifindex: s.card.Index}
	if err := unix.Bind(s.fd, at); err != nil {
		return nil, fmt.Errorf("packet socket on %s: %w", s.card.Name, err)
	}
	var found []string
	buf := make([]byte, 2048)
	for next := time.Now(); ctx.Err() == nil; {
		if !time.Now().Before(next) {
			if err := unix.Sendto(s.fd, arpProbe(s.card.HardwareAddr, who), 0, at); err != nil {
				return found, fmt.Errorf("send ARP on %s: %w", s.card.Name, err)
			}
			next = time.Now().Add(time.Second)
		}
		n, _, err := unix.Recvfrom(s.fd, buf, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			if err := s.wait(100); err != nil {
				return found, err
			}
			continue
		}
		if err != nil {
			return found, fmt.Errorf("packet socket on %s: %w", s.card.Name, err)
		}
		other, ok := owner(buf[:n], who)
		if ok && !slices.Contains(own, other) && !slices.Contains(found, other) {
			found = append(found, other)
		}
	}
	slices.Sort(found)
	return found, nil
}
