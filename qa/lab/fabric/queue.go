package fabric

import (
	"encoding/binary"
	"io"
	"sync"
)

// queueSize is how much may wait for a slow receiver, in bytes. A virtual
// machine that is busy for some milliseconds must not lose a TCP window.
const queueSize = 4 << 20

// A queue holds frames on their way out of one port, already in the format
// of the wire. One side adds, another writes all that is there at once.
type queue struct {
	mu      sync.Mutex
	more    sync.Cond // of mu: waiting is not empty, or closed
	waiting []byte    // guarded by mu
	closed  bool      // guarded by mu
}

func newQueue() *queue {
	q := &queue{}
	q.more.L = &q.mu
	return q
}

// add puts a frame into the queue: its two addresses, a tag when vlan is not
// 0, and the rest of the frame from its type field on. It tells whether there
// was room.
func (q *queue) add(addresses []byte, vlan uint16, body []byte) bool {
	size := len(addresses) + len(body)
	if vlan != 0 {
		size += tagLen
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.waiting)+lengthLen+size > queueSize {
		return false
	}
	first := len(q.waiting) == 0
	q.waiting = binary.BigEndian.AppendUint32(q.waiting, uint32(size))
	q.waiting = append(q.waiting, addresses...)
	if vlan != 0 {
		q.waiting = binary.BigEndian.AppendUint32(q.waiting, etherVLAN<<16|uint32(vlan))
	}
	q.waiting = append(q.waiting, body...)
	if first {
		q.more.Signal()
	}
	return true
}

// drain writes what is added until the queue is closed or writing fails.
func (q *queue) drain(w io.Writer) {
	var batch []byte
	for {
		q.mu.Lock()
		for len(q.waiting) == 0 && !q.closed {
			q.more.Wait()
		}
		if q.closed {
			q.mu.Unlock()
			return
		}
		batch, q.waiting = q.waiting, batch[:0]
		q.mu.Unlock()
		if _, err := w.Write(batch); err != nil {
			q.close()
			return
		}
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Broadcast()
}
