package fabric

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A PortConfig is how a port treats tags.
//
// An access port (Access not 0) belongs to one VLAN: it sends and takes
// untagged frames only. A trunk carries the VLANs of Trunk with their tags;
// its untagged frames are dropped, or belong to Native where that is not 0.
type PortConfig struct {
	Name   string
	Access int
	Native int
	Trunk  []int
	// NoDHCPServer drops answers of DHCP servers that come in here.
	NoDHCPServer bool
	// PlainROM hides that the network boot ROM of the machine here is iPXE:
	// the ROMs of real cards are not.
	PlainROM bool
}

func (c *PortConfig) check() error {
	switch {
	case c.Name == "":
		return errors.New("switch port: name is empty; allowed: any text")
	case c.Access != 0 && (c.Native != 0 || len(c.Trunk) > 0):
		return fmt.Errorf("switch port %s: access %d together with native %d or trunk %v; allowed: one kind", c.Name, c.Access, c.Native, c.Trunk)
	case c.Access == 0 && c.Native == 0 && len(c.Trunk) == 0:
		return fmt.Errorf("switch port %s: neither access nor trunk; allowed: one kind", c.Name)
	}
	for _, v := range append([]int{c.Access, c.Native}, c.Trunk...) {
		if v < 0 || v > 4094 {
			return fmt.Errorf("switch port %s: VLAN %d; allowed: 1 to 4094", c.Name, v)
		}
	}
	return nil
}

// A Fault is how a port misbehaves. The zero Fault is a healthy port.
type Fault struct {
	Down    bool    `json:"down,omitempty"`    // nothing goes in or out
	Loss    float64 `json:"loss,omitempty"`    // share of frames lost on the way in, 0 to 1
	Missing []int   `json:"missing,omitempty"` // VLANs that somebody forgot to configure here
}

// Counters are what a port has seen since it was made.
type Counters struct {
	InFrames  uint64 `json:"in_frames"`
	InBytes   uint64 `json:"in_bytes"`
	OutFrames uint64 `json:"out_frames"`
	OutBytes  uint64 `json:"out_bytes"`
	BadVLAN   uint64 `json:"bad_vlan"` // dropped on the way in: tag not allowed here
	Faulty    uint64 `json:"faulty"`   // dropped by a Fault
	Filtered  uint64 `json:"filtered"` // dropped on the way in: answers of a DHCP server
	Full      uint64 `json:"full"`     // dropped on the way out: the receiver is too slow
}

// A Port is one socket of a [Switch].
type Port struct {
	sw     *Switch
	config PortConfig
	number int

	// Guarded by sw.mu.
	access   uint16
	native   uint16
	allowed  [4096]bool // VLANs that go in and out, without those a fault hides
	fault    Fault
	counters Counters
	capture  *capture
	rom      plainROM
	out      *queue        // nil while nothing is plugged in
	link     func(up bool) // tells what is plugged in; may be nil
}

// Name is the port's name.
func (p *Port) Name() string { return p.config.Name }

// apply works out the allowed VLANs. The caller holds sw.mu.
func (p *Port) apply() {
	p.access, p.native = uint16(p.config.Access), uint16(p.config.Native)
	p.allowed = [4096]bool{}
	for _, v := range append([]int{p.config.Access, p.config.Native}, p.config.Trunk...) {
		p.allowed[v] = v != 0 && !slices.Contains(p.fault.Missing, v)
	}
}

// SetFault makes the port misbehave, or with the zero Fault heals it. What is
// plugged in sees its link go, where it can ([Port.OnLink]).
func (p *Port) SetFault(f Fault) {
	p.sw.mu.Lock()
	changed := f.Down != p.fault.Down
	p.fault = f
	p.apply()
	if f.Down {
		p.sw.forget(p)
	}
	link := p.link
	p.sw.mu.Unlock()
	if changed && link != nil {
		link(!f.Down)
	}
}

// OnLink has somebody told whenever the port's link goes or comes back, and at
// once where it is gone. The one who was told before is no longer. A frame that is lost looks the same to
// a switch and to its neighbour, a cable without a signal does not.
func (p *Port) OnLink(link func(up bool)) {
	p.sw.mu.Lock()
	p.link = link
	down := p.fault.Down
	p.sw.mu.Unlock()
	if down {
		link(false)
	}
}

// Counters returns what the port has seen so far, and its fault.
func (p *Port) Counters() (Counters, Fault) {
	p.sw.mu.Lock()
	defer p.sw.mu.Unlock()
	return p.counters, p.fault
}

// readSize is how much is read from a connection at once, in bytes.
const readSize = 256 << 10

// Attach plugs a connection in and forwards its frames until it ends, which
// is no error, or sends what is no frame. Only one connection at a time can
// be in a port.
func (p *Port) Attach(conn io.ReadWriteCloser) error {
	q := newQueue()
	if err := p.plug(q); err != nil {
		conn.Close()
		return err
	}
	written := make(chan struct{})
	go func() { // ends when the queue is closed or the connection breaks
		defer close(written)
		q.drain(conn)
	}()
	err := p.receive(conn)
	p.unplug()
	q.close()
	conn.Close()
	<-written
	return err
}

func (p *Port) plug(q *queue) error {
	p.sw.mu.Lock()
	defer p.sw.mu.Unlock()
	if p.out != nil {
		return fmt.Errorf("switch port %s: something is plugged in already", p.config.Name)
	}
	p.out, p.rom = q, plainROM{}
	p.sw.announce(p)
	return nil
}

func (p *Port) unplug() {
	p.sw.mu.Lock()
	defer p.sw.mu.Unlock()
	p.out = nil
	p.sw.forget(p)
}

// receive reads batches of frames and has each forwarded.
func (p *Port) receive(conn io.Reader) error {
	buf := make([]byte, readSize)
	have := 0
	for {
		n, hungUp := conn.Read(buf[have:])
		have += n
		used, err := p.sw.forward(p, buf[:have])
		if err != nil {
			return fmt.Errorf("switch port %s: %w", p.config.Name, err)
		}
		have = copy(buf, buf[used:have])
		if hungUp != nil {
			return nil //nolint:nilerr // unplugging is no fault; half a frame is lost with it
		}
	}
}

// next cuts the first whole frame off a batch. ok is false when there is none
// yet.
func next(batch []byte) (frame, rest []byte, ok bool, err error) {
	if len(batch) < lengthLen {
		return nil, batch, false, nil
	}
	size := int(binary.BigEndian.Uint32(batch))
	if size > maxFrame {
		return nil, batch, false, fmt.Errorf("frame of %d bytes; allowed: up to %d", size, maxFrame)
	}
	if len(batch) < lengthLen+size {
		return nil, batch, false, nil
	}
	return batch[lengthLen : lengthLen+size], batch[lengthLen+size:], true, nil
}
