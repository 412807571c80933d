package fabric

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// A Switch joins its ports to one VLAN-aware network.
type Switch struct {
	name string
	now  func() time.Time

	mu    sync.Mutex    // guards all below, and the ports
	ports []*Port       // in the order of their making
	table map[key]*Port // who was last seen where
	dice  *rand.Rand    // for lost frames
}

// New returns a switch without ports. The name is what it announces.
func New(name string) *Switch {
	return &Switch{
		name:  name,
		now:   time.Now,
		table: make(map[key]*Port),
		dice:  rand.New(rand.NewPCG(1, 2)), // the same losses every time
	}
}

// AddPort adds a port with nothing plugged in.
func (s *Switch) AddPort(config PortConfig) (*Port, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.ports {
		if p.config.Name == config.Name {
			return nil, fmt.Errorf("switch port %s: there is one of that name", config.Name)
		}
	}
	p := &Port{sw: s, config: config, number: len(s.ports) + 1}
	p.apply()
	s.ports = append(s.ports, p)
	return p, nil
}

// Ports lists the ports in the order of their making.
func (s *Switch) Ports() []*Port {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Port(nil), s.ports...)
}

// Port finds a port by name; nil when there is none.
func (s *Switch) Port(name string) *Port {
	for _, p := range s.Ports() {
		if p.config.Name == name {
			return p
		}
	}
	return nil
}

// forget drops what was learned about a port. The caller holds mu.
func (s *Switch) forget(p *Port) {
	for k, at := range s.table {
		if at == p {
			delete(s.table, k)
		}
	}
}

// forward handles a batch that came in at a port and returns how many bytes
// of it were whole frames.
func (s *Switch) forward(in *Port, batch []byte) (used int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := batch
	for {
		var frame []byte
		var ok bool
		frame, rest, ok, err = next(rest)
		if err != nil || !ok {
			break
		}
		s.one(in, frame)
	}
	for _, p := range s.ports {
		p.capture.flush()
	}
	return len(batch) - len(rest), err
}

// one handles one frame. The caller holds mu.
func (s *Switch) one(in *Port, frame []byte) {
	in.counters.InFrames++
	in.counters.InBytes += uint64(len(frame))
	if len(frame) < headerLen {
		return
	}
	if in.fault.Down || in.fault.Loss > 0 && s.dice.Float64() < in.fault.Loss {
		in.counters.Faulty++
		return
	}
	in.capture.frame(s.now(), frame[:2*addressLen], 0, frame[2*addressLen:])
	dst, src := frame[:addressLen], frame[addressLen:2*addressLen]
	if reserved(dst) {
		s.answer(in, frame)
		return
	}
	vlan, body, ok := in.classify(frame)
	if !ok {
		in.counters.BadVLAN++
		return
	}
	if in.config.NoDHCPServer && fromDHCPServer(body) {
		in.counters.Filtered++
		return
	}
	if in.config.PlainROM {
		in.rom.see(body)
	}
	if k := keyOf(vlan, src); !group(src) && s.table[k] != in {
		s.table[k] = in
	}
	if !group(dst) {
		if out := s.table[keyOf(vlan, dst)]; out != nil {
			if out != in {
				s.send(out, vlan, frame[:2*addressLen], body)
			}
			return
		}
	}
	for _, out := range s.ports {
		if out != in {
			s.send(out, vlan, frame[:2*addressLen], body)
		}
	}
}

// classify says which VLAN a frame that came in belongs to, and returns the
// frame from its inner type field on.
func (p *Port) classify(frame []byte) (vlan uint16, body []byte, ok bool) {
	vlan, tagged := tag(frame)
	body = frame[2*addressLen:]
	if tagged {
		body = body[tagLen:]
	}
	if vlan == 0 { // no tag, or one that carries a priority only
		vlan = p.access + p.native // one of them is 0
		return vlan, body, p.allowed[vlan]
	}
	return vlan, body, p.access == 0 && p.allowed[vlan]
}

// send puts a frame of a VLAN out at a port, if the port carries that VLAN.
// The caller holds mu.
func (s *Switch) send(out *Port, vlan uint16, addresses, body []byte) {
	if out.out == nil || !out.allowed[vlan] {
		return
	}
	if out.fault.Down {
		out.counters.Faulty++
		return
	}
	if vlan == out.access || vlan == out.native {
		vlan = 0
	}
	s.emit(out, addresses, vlan, body)
}

// emit queues a frame at a port whatever its VLANs. The caller holds mu.
func (s *Switch) emit(out *Port, addresses []byte, vlan uint16, body []byte) {
	if !out.out.add(addresses, vlan, body) {
		out.counters.Full++
		return
	}
	out.counters.OutFrames++
	out.counters.OutBytes += uint64(len(addresses) + len(body))
	if vlan != 0 {
		out.counters.OutBytes += tagLen
	}
	out.capture.frame(s.now(), addresses, vlan, body)
}
