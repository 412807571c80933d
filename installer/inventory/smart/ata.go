package smart

import (
	"encoding/binary"
	"fmt"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// ATA commands and SMART subcommands (ACS-3), by ATA PASS-THROUGH (16) of
// SAT-3.
const (
	ataPassThrough = 0x85
	ataIdentify    = 0xec
	ataSMART       = 0xb0
	ataReadLogExt  = 0x2f

	smartReadData     = 0xd0
	smartReturnStatus = 0xda

	// SMART commands carry this signature; a disk that expects to fail
	// answers with the other one. LBA high and middle.
	smartFine   = 0xc24f
	smartFailed = 0x2cf4

	sector = 512
)

// An ataCommand is the registers of a command.
type ataCommand struct {
	command, feature byte
	count            byte
	lba              uint64 // 48 bits
	extended         bool
	data             bool // one sector comes back; otherwise registers do
}

// bytes is the command as a SCSI disk takes it.
func (c ataCommand) bytes() []byte {
	b := make([]byte, 16)
	b[0] = ataPassThrough
	if c.data {
		b[1] = 4 << 1          // PIO, in
		b[2] = 1<<3 | 1<<2 | 2 // from the device, in blocks, as many as count says
	} else {
		b[1] = 3 << 1 // no data
		b[2] = 1 << 5 // the registers come back as sense data
	}
	if c.extended {
		b[1] |= 1
	}
	b[4], b[6] = c.feature, c.count
	b[8], b[10], b[12] = byte(c.lba), byte(c.lba>>8), byte(c.lba>>16)
	b[7], b[9], b[11] = byte(c.lba>>24), byte(c.lba>>32), byte(c.lba>>40)
	b[14] = c.command
	return b
}

// registers reads LBA high and middle out of sense data, of both formats
// (SAT-3, 12.2.5 and 12.2.6). ok is false when it has none.
func registers(sense []byte) (signature uint16, ok bool) {
	if len(sense) < 8 {
		return 0, false
	}
	switch sense[0] & 0x7f {
	case 0x70, 0x71: // fixed: in the field for the command
		if len(sense) < 12 {
			return 0, false
		}
		return uint16(sense[11])<<8 | uint16(sense[10]), true
	case 0x72, 0x73: // descriptors
		for rest := sense[8:]; len(rest) >= 2; {
			size := int(rest[1]) + 2
			if rest[0] == 0x09 && len(rest) >= 14 && size >= 14 {
				return uint16(rest[11])<<8 | uint16(rest[9]), true
			}
			if size > len(rest) {
				return 0, false
			}
			rest = rest[size:]
		}
	}
	return 0, false
}

// ataRead reads one sector.
func ataRead(d commander, c ataCommand) ([]byte, error) {
	c.data = true
	c.count = 1
	data := make([]byte, sector)
	sense, err := d.Do(c.bytes(), data)
	if err != nil {
		return nil, err
	}
	if key := senseKey(sense); key > 1 { // 0: none, 1: recovered
		return nil, fmt.Errorf("ATA command %#x: %w (sense key %d)", c.command, errRefused, key)
	}
	return data, nil
}

// senseKey is 0 when there is no sense data.
func senseKey(sense []byte) byte {
	switch {
	case len(sense) > 2 && sense[0]&0x7e == 0x70:
		return sense[2] & 0x0f
	case len(sense) > 1 && sense[0]&0x7e == 0x72:
		return sense[1] & 0x0f
	}
	return 0
}

// ata asks an ATA disk.
func ata(d commander) (*plan.Health, error) {
	raw, err := ataRead(d, ataCommand{command: ataIdentify})
	if err != nil {
		return nil, err
	}
	id := identify(raw)
	if !id.smart() {
		return nil, errSilent
	}
	h, err := ataStatus(d)
	if err != nil {
		return nil, err
	}
	values, err := ataRead(d, ataCommand{command: ataSMART, feature: smartReadData, lba: smartFine << 8})
	if err != nil {
		return h, nil //nolint:nilerr // the verdict is what counts; the figures are optional
	}
	attributes(values).fill(h, id.solid())
	if id.statistics() {
		ataStatistics(d, h)
	}
	return h, nil
}

func ataStatus(d commander) (*plan.Health, error) {
	sense, err := d.Do(ataCommand{command: ataSMART, feature: smartReturnStatus, lba: smartFine << 8}.bytes(), nil)
	if err != nil {
		return nil, err
	}
	signature, ok := registers(sense)
	switch {
	case ok && signature == smartFine:
		return &plan.Health{OK: true}, nil
	case ok && signature == smartFailed:
		return &plan.Health{Why: "the disk expects to fail soon (SMART)"}, nil
	}
	return nil, errSilent
}

// identify is what IDENTIFY DEVICE returns: words of 16 bits.
type identify []byte

func (i identify) word(n int) uint16 { return binary.LittleEndian.Uint16(i[2*n:]) }

// smart tells whether the disk has SMART and it is on.
func (i identify) smart() bool { return i.word(82)&1 != 0 && i.word(85)&1 != 0 }

// solid tells whether nothing in the disk turns.
func (i identify) solid() bool { return i.word(217) == 1 }

// statistics tells whether the disk has logs that are read with READ LOG EXT.
func (i identify) statistics() bool { return i.word(87)&0xc020 == 0x4020 }
