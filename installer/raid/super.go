package raid

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
)

// ErrNone means that a device is not part of an array of version 1.2.
var ErrNone = errors.New("no superblock of an array")

// Places on each device, in bytes. The bitmap may have all between its own
// place and the data.
const (
	sector   = 512
	superAt  = 4096
	bitmapAt = 8192
	dataAt   = 1 << 20
)

const (
	magic       = 0xa92b4efc
	version     = 1
	levelMirror = 1
	hasBitmap   = 1 // feature bit
	maxDevices  = 128
	inSync      = ^uint64(0) // of resync offsets: all of it
	superSize   = 256        // bytes; a role of each device follows
	sumAt       = 216
)

// Roles of devices. Smaller ones are places in the array.
const (
	roleNone  = 0xffff // spare, or not there
	roleLeast = 0xfffd // the smallest that is no place
)

// superblock is mdp_superblock_1. Sizes and places are in sectors of 512 bytes.
type superblock struct {
	Magic, Version, Features, _ uint32

	Array          [16]byte
	Name           [32]byte
	Created        uint64 // seconds
	Level, Layout  uint32
	Size           uint64 // used of each device
	Chunk, Places  uint32
	BitmapOffset   int32 // from this superblock
	_              [28]byte
	DataOffset     uint64
	DataSize       uint64
	SuperOffset    uint64
	RecoveryOffset uint64
	Number, _      uint32
	Device         [16]byte
	_              [8]byte
	Updated        uint64 // seconds
	Events         uint64
	Resynced       uint64
	Sum            uint32
	MaxDevices     uint32
	_              [32]byte
}

// A Member is what a device says of the array that it is part of.
type Member struct {
	Array  uuid.UUID
	Places int    // how many devices the whole array has
	Number int    // of this device
	Events uint64 // changes that it has seen
	roles  []uint16
}

// active tells whether the device of that number was part of the array, as
// this one knows it.
func (m Member) active(number int) bool { return number < len(m.roles) && m.roles[number] < roleLeast }

// place is where in the array the device is; -1: nowhere.
func (m Member) place(number int) int {
	if !m.active(number) {
		return -1
	}
	return int(m.roles[number])
}

// Read reads the superblock of a device.
func Read(r io.ReaderAt) (Member, error) {
	b := make([]byte, superSize+2*maxDevices)
	if _, err := r.ReadAt(b, superAt); err != nil {
		if errors.Is(err, io.EOF) {
			return Member{}, ErrNone
		}
		return Member{}, fmt.Errorf("superblock: %w", err)
	}
	var s superblock
	if err := binary.Read(bytes.NewReader(b), binary.LittleEndian, &s); err != nil {
		return Member{}, fmt.Errorf("superblock: %w", err)
	}
	switch {
	case s.Magic != magic || s.Version != version || s.SuperOffset != superAt/sector:
		return Member{}, ErrNone
	case s.Level != levelMirror || s.Places == 0 || s.Places > maxDevices || s.MaxDevices > maxDevices || s.Number >= maxDevices:
		return Member{}, fmt.Errorf("superblock: level %d, %d places, device %d of %d; allowed: level 1, up to %d", s.Level, s.Places, s.Number, s.MaxDevices, maxDevices)
	}
	b = b[:superSize+2*s.MaxDevices]
	if got := checksum(b); got != s.Sum {
		return Member{}, fmt.Errorf("superblock: it is damaged: its checksum is %08x, not %08x", got, s.Sum)
	}
	m := Member{Array: s.Array, Places: int(s.Places), Number: int(s.Number), Events: s.Events}
	for i := range int(s.MaxDevices) {
		m.roles = append(m.roles, binary.LittleEndian.Uint16(b[superSize+2*i:]))
	}
	return m, nil
}

// checksum adds all words up, but for the checksum itself.
func checksum(b []byte) uint32 {
	var sum uint64
	for i := 0; i+4 <= len(b); i += 4 {
		if i != sumAt {
			sum += uint64(binary.LittleEndian.Uint32(b[i:]))
		}
	}
	if len(b)%4 == 2 {
		sum += uint64(binary.LittleEndian.Uint16(b[len(b)-2:]))
	}
	return uint32(sum) + uint32(sum>>32)
}
