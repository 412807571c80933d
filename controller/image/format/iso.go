package format

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// The first volume descriptor of ISO 9660 (ECMA-119), and GPT's header (UEFI
// 5.3.2): offsets in bytes.
const (
	isoVolume  = 16 * 2048
	isoMagic   = "CD001"
	isoBlocks  = 80  // of the descriptor: blocks of the volume, little endian and big endian
	isoSize    = 128 // bytes of a block, likewise, of 16 bits
	isoPrimary = 1

	gptHeader = 512 // where a disk with sectors of 512 bytes has it
	gptMagic  = "EFI PART"
	gptLength = 12
	gptSum    = 16
	gptLast   = 48 // last sector that partitions may use
)

// checkISO wants the head of an ISO 9660.
func checkISO(h []byte) error {
	if len(h) < isoVolume+2048 || string(h[isoVolume+1:isoVolume+6]) != isoMagic {
		return cloud.BadRequest("The image's disk_format is iso, but its data is not.")
	}
	d := h[isoVolume:]
	little, big := binary.LittleEndian.Uint32(d[isoBlocks:]), binary.BigEndian.Uint32(d[isoBlocks+4:])
	block, other := binary.LittleEndian.Uint16(d[isoSize:]), binary.BigEndian.Uint16(d[isoSize+2:])
	switch {
	case d[0] != isoPrimary || d[6] != 1:
		return cloud.BadRequest("The image is an ISO whose first descriptor is of the type %d, version %d; allowed: 1, 1.", d[0], d[6])
	case little != big || block != other:
		return cloud.BadRequest("The image is an ISO that says two sizes: %d and %d blocks of %d and %d bytes.", little, big, block, other)
	case block != 512 && block != 1024 && block != 2048:
		return cloud.BadRequest("The image is an ISO with blocks of %d bytes; allowed: 512, 1024, 2048.", block)
	}
	return nil
}

// inspectISO sees that all of the volume is there, and that partitions beside
// it, of an ISO that can be written to a stick, are no other disk. The head was
// checked.
func inspectISO(r io.ReaderAt, size int64) error {
	h, err := readAt(r, 0, isoVolume+2048)
	if err != nil {
		return err
	}
	d := h[isoVolume:]
	volume := uint64(binary.LittleEndian.Uint32(d[isoBlocks:])) * uint64(binary.LittleEndian.Uint16(d[isoSize:]))
	if err := within("volume", 0, volume, size); err != nil {
		return err
	}
	if !hasGPT(h) {
		return nil
	}
	g := bytes.Clone(h[gptHeader : gptHeader+512])
	n := binary.LittleEndian.Uint32(g[gptLength:])
	last := binary.LittleEndian.Uint64(g[gptLast:])
	if n < 92 || n > 512 {
		return cloud.BadRequest("The image is both an ISO and a GPT disk whose header has %d bytes; allowed: 92 to 512.", n)
	}
	sum := binary.LittleEndian.Uint32(g[gptSum:])
	clear(g[gptSum : gptSum+4])
	if sum != crc32.ChecksumIEEE(g[:n]) || last > uint64(size)/512 {
		return cloud.BadRequest("The image is both an ISO and a GPT disk, and its partition table is not that of the ISO.")
	}
	return nil
}

func hasGPT(h []byte) bool {
	return len(h) >= gptHeader+512 && string(h[gptHeader:gptHeader+8]) == gptMagic
}

// checkRaw refuses a disk that is two things at once: what a machine boots
// from it depends on who reads it.
func checkRaw(declared string, h []byte) error {
	if len(h) >= isoVolume+6 && string(h[isoVolume+1:isoVolume+6]) == isoMagic && hasGPT(h) {
		return cloud.BadRequest("The image's data is both an ISO and a GPT disk, but its disk_format is %s; allowed for that: iso.", declared)
	}
	return nil
}
