package raid

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
)

// The bitmap has a bit for each piece of this many bytes that is being
// written: after a power cut only those are compared.
const (
	bitmapMagic   = 0x6d746962
	bitmapVersion = 4
	bitmapChunk   = 64 << 20
	bitmapHead    = 256
	bitmapSeconds = 5 // until a bit is cleared
)

// bitmap is bitmap_super_t.
type bitmap struct {
	Magic, Version         uint32
	Array                  [16]byte
	Events, Cleared        uint64
	Size                   uint64 // sectors
	State, Chunk, Seconds  uint32
	WriteBehind, Room, All uint32
	_                      [bitmapHead - 72]byte
}

// An Options says what a new mirror is.
type Options struct {
	Name string // at most 32 bytes; for people
	Size int64  // of the smallest device, in bytes
	Now  time.Time
}

// firstEvents is the count of changes of a new array.
const firstEvents = 1

// Format makes a mirror of devices and returns its id. What was there is lost.
// It is good once the caller has synced the devices.
func Format(devices []io.WriterAt, o Options) (uuid.UUID, error) {
	room := (o.Size - dataAt) / sector &^ 7 // whole pages
	switch {
	case len(devices) < 2 || len(devices) > maxDevices:
		return uuid.Nil, fmt.Errorf("a mirror of %d devices; allowed: 2 to %d", len(devices), maxDevices)
	case room <= 0:
		return uuid.Nil, fmt.Errorf("a mirror on %d bytes; allowed: more than %d", o.Size, dataAt)
	}
	array, err := uuid.NewRandom()
	if err != nil {
		return uuid.Nil, fmt.Errorf("id of the mirror: %w", err)
	}
	s := superblock{Magic: magic, Version: version, Features: hasBitmap, Array: array, Created: uint64(o.Now.Unix()), Level: levelMirror,
		Size: uint64(room), Places: uint32(len(devices)), BitmapOffset: (bitmapAt - superAt) / sector,
		DataOffset: dataAt / sector, DataSize: uint64(room), SuperOffset: superAt / sector,
		Updated: uint64(o.Now.Unix()), Events: firstEvents, Resynced: inSync, MaxDevices: maxDevices}
	copy(s.Name[:], o.Name)
	for i, d := range devices {
		s.Number = uint32(i)
		if s.Device, err = uuid.NewRandom(); err != nil {
			return uuid.Nil, fmt.Errorf("id of a device: %w", err)
		}
		if err := writeMember(d, s, len(devices)); err != nil {
			return uuid.Nil, err
		}
	}
	return array, nil
}

// writeMember writes the bitmap, and then the superblock that it counts by.
func writeMember(d io.WriterAt, s superblock, active int) error {
	bits, err := encodeBitmap(s)
	if err != nil {
		return err
	}
	head, err := encode(s, active)
	if err != nil {
		return err
	}
	if _, err := d.WriteAt(bits, bitmapAt); err != nil {
		return fmt.Errorf("write the bitmap of the mirror: %w", err)
	}
	if _, err := d.WriteAt(head, superAt); err != nil {
		return fmt.Errorf("write the superblock of the mirror: %w", err)
	}
	return nil
}

// encode is a superblock in which the first devices are active.
func encode(s superblock, active int) ([]byte, error) {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, s); err != nil {
		return nil, fmt.Errorf("superblock: %w", err)
	}
	for i := range uint16(maxDevices) {
		if int(i) >= active {
			i = roleNone
		}
		b.Write(binary.LittleEndian.AppendUint16(nil, i))
	}
	out := b.Bytes()
	binary.LittleEndian.PutUint32(out[sumAt:], checksum(out))
	return append(out, make([]byte, superAt-len(out))...), nil
}

// encodeBitmap is a bitmap in which nothing is being written.
func encodeBitmap(s superblock) ([]byte, error) {
	var b bytes.Buffer
	err := binary.Write(&b, binary.LittleEndian, bitmap{Magic: bitmapMagic, Version: bitmapVersion, Array: s.Array,
		Events: s.Events, Cleared: s.Events, Size: s.Size, Chunk: bitmapChunk, Seconds: bitmapSeconds, Room: (dataAt - bitmapAt) / sector})
	if err != nil {
		return nil, fmt.Errorf("bitmap: %w", err)
	}
	bits := (s.Size*sector + bitmapChunk - 1) / bitmapChunk
	n := (bitmapHead + (bits+7)/8 + superAt - 1) / superAt * superAt
	if n > dataAt-bitmapAt {
		return nil, fmt.Errorf("a mirror of %d bytes; allowed: %d at most", s.Size*sector, int64(dataAt-bitmapAt-bitmapHead)*8*bitmapChunk)
	}
	return append(b.Bytes(), make([]byte, int(n)-b.Len())...), nil
}
