package fabric

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// Who announces itself is answered at once, on its own port alone.
func TestSwitchAnswersNeighbour(t *testing.T) {
	s := New("leaf-1")
	asker, port := plug(t, s, 1, PortConfig{Name: "m1/management", Access: 10})
	other, _ := plug(t, s, 2, PortConfig{Name: "m2/management", Access: 10})
	toBridge := [6]byte{0x01, 0x80, 0xc2, 0, 0, 0x0e}
	asker.send(toBridge, 0, "of another protocol")
	frame := append(toBridge[:], asker.mac[:]...)
	frame = binary.BigEndian.AppendUint16(frame, etherLLDP)
	asker.write(append(frame, 0, 0))
	if got, want := asker.read()[2*addressLen:], lldp("leaf-1", port); !bytes.Equal(got, want) {
		t.Errorf("the answer is %x, want %x", got, want)
	}
	asker.send(other.mac, 0, "hello")
	if got := other.read(); !bytes.Contains(got, []byte("hello")) {
		t.Errorf("the other one got %x", got)
	}
	if c, _ := port.Counters(); c.OutFrames != 2 {
		t.Errorf("%d frames went out, want 2: when it was plugged in, and the answer", c.OutFrames)
	}
}
