package fabric

import (
	"context"
	"encoding/binary"
	"time"
)

// Announcements, after IEEE 802.1AB.
const (
	announceEvery = 30 * time.Second
	announceTTL   = 120 // seconds
	etherLLDP     = 0x88cc
)

// Announce sends LLDP out of every port that something is plugged into, now
// and every 30 seconds, until the context ends.
func (s *Switch) Announce(ctx context.Context) {
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		s.mu.Lock()
		for _, p := range s.ports {
			s.announce(p)
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// answer announces at once to who announces itself, as a switch does to a new
// neighbour (802.1AB, 9.1.1: fast transmission). The caller holds mu.
func (s *Switch) answer(in *Port, frame []byte) {
	if binary.BigEndian.Uint16(frame[2*addressLen:]) == etherLLDP {
		s.announce(in)
	}
}

// announce sends one LLDP frame out of a port. The caller holds mu.
func (s *Switch) announce(p *Port) {
	if p.out == nil || p.fault.Down {
		return
	}
	own := [addressLen]byte{0x02, 0xca, 0x12, 0, byte(p.number >> 8), byte(p.number)}
	addresses := append([]byte{0x01, 0x80, 0xc2, 0, 0, 0x0e}, own[:]...)
	s.emit(p, addresses, 0, lldp(s.name, p))
	p.capture.flush()
}

// lldp is an announcement from its type field on: chassis id, port id, time
// to live, port description, system name, port VLAN id.
func lldp(system string, p *Port) []byte {
	body := binary.BigEndian.AppendUint16(nil, etherLLDP)
	body = element(body, 1, append([]byte{7}, system...))        // chassis id, locally assigned
	body = element(body, 2, append([]byte{5}, p.config.Name...)) // port id, interface name
	body = element(body, 3, []byte{announceTTL >> 8, announceTTL & 0xff})
	body = element(body, 4, []byte(p.config.Name))
	body = element(body, 5, []byte(system))
	pvid := p.access + p.native
	body = element(body, 127, []byte{0x00, 0x80, 0xc2, 1, byte(pvid >> 8), byte(pvid)}) // 802.1: port VLAN id
	return element(body, 0, nil)
}

// element appends one TLV: seven bits of kind, nine of length.
func element(to []byte, kind int, value []byte) []byte {
	value = value[:min(len(value), 511)]
	to = binary.BigEndian.AppendUint16(to, uint16(kind<<9|len(value)))
	return append(to, value...)
}
