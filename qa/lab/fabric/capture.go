package fabric

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// A capture writes what passes a port in the classic pcap format with
// nanoseconds, which tcpdump -r and Wireshark read. A nil capture does
// nothing.
type capture struct {
	w   *bufio.Writer
	err error // the first one; nothing is written after it
}

// Capture writes every frame that goes in or out of the port to w from now
// on, until Capture is called again; nil stops. It returns the error that the
// capture before ended with, if any.
func (p *Port) Capture(w io.Writer) error {
	p.sw.mu.Lock()
	defer p.sw.mu.Unlock()
	old := p.capture
	old.flush()
	p.capture = nil
	if w != nil {
		p.capture = newCapture(w)
	}
	if old != nil && old.err != nil {
		return fmt.Errorf("capture at switch port %s: %w", p.config.Name, old.err)
	}
	return nil
}

func newCapture(w io.Writer) *capture {
	c := &capture{w: bufio.NewWriterSize(w, 1<<16)}
	head := binary.LittleEndian.AppendUint32(nil, 0xa1b23c4d) // nanoseconds
	head = binary.LittleEndian.AppendUint16(head, 2)
	head = binary.LittleEndian.AppendUint16(head, 4)
	head = binary.LittleEndian.AppendUint64(head, 0)
	head = binary.LittleEndian.AppendUint32(head, maxFrame+tagLen)
	head = binary.LittleEndian.AppendUint32(head, 1) // LINKTYPE_ETHERNET
	c.put(head)
	c.flush()
	return c
}

func (c *capture) put(b []byte) {
	if c.err == nil {
		_, c.err = c.w.Write(b)
	}
}

// frame writes one frame, given as queue.add takes it.
func (c *capture) frame(at time.Time, addresses []byte, vlan uint16, body []byte) {
	if c == nil {
		return
	}
	size := uint32(len(addresses) + len(body))
	if vlan != 0 {
		size += tagLen
	}
	var head [16]byte
	binary.LittleEndian.PutUint32(head[0:], uint32(at.Unix()))
	binary.LittleEndian.PutUint32(head[4:], uint32(at.Nanosecond()))
	binary.LittleEndian.PutUint32(head[8:], size)
	binary.LittleEndian.PutUint32(head[12:], size)
	c.put(head[:])
	c.put(addresses)
	if vlan != 0 {
		var t [tagLen]byte
		binary.BigEndian.PutUint32(t[:], etherVLAN<<16|uint32(vlan))
		c.put(t[:])
	}
	c.put(body)
}

// flush hands what was collected to the writer.
func (c *capture) flush() {
	if c != nil && c.err == nil && c.w.Buffered() > 0 {
		c.err = c.w.Flush()
	}
}
