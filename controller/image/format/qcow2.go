package format

import (
	"encoding/binary"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// The header of QCOW2 (QEMU's docs/interop/qcow2.txt): offsets in bytes, all
// numbers big endian.
const (
	offVersion     = 4
	offBacking     = 8
	offClusterBits = 20
	offSize        = 24
	offCrypt       = 32
	offL1Size      = 36
	offSnapshots   = 60
	offIncompat    = 72
	offHeaderLen   = 100
	headerV2       = 72
	headerV3       = 104

	extEnd      = 0
	extDataFile = 0x44415441

	featureDataFile = 1 << 2
	// featuresAllowed: compression type and extended L2 entries. A dirty or
	// corrupt image (bits 0, 1) is no image to start from.
	featuresAllowed = 1<<3 | 1<<4

	maxVirtualSize = 64 << 40
)

// checkQCOW2 refuses what makes QEMU open another file, what it could not read
// safely, and sizes that nothing has. It gives the size of the disk.
func checkQCOW2(h []byte) (int64, error) {
	if len(h) < headerV2 || string(h[:4]) != "QFI\xfb" {
		return 0, cloud.BadRequest("The image's disk_format is qcow2, but its data is not.")
	}
	u32 := func(off int) uint32 { return binary.BigEndian.Uint32(h[off:]) }
	u64 := func(off int) uint64 { return binary.BigEndian.Uint64(h[off:]) }
	version, bits, size := u32(offVersion), u32(offClusterBits), u64(offSize)
	switch {
	case version != 2 && version != 3:
		return 0, cloud.BadRequest("The image is qcow2 of version %d; allowed: 2, 3.", version)
	case u64(offBacking) != 0:
		return 0, cloud.BadRequest("The image has a backing file; that is not allowed.")
	case bits < 9 || bits > 21:
		return 0, cloud.BadRequest("The image has cluster_bits %d; allowed: 9 to 21.", bits)
	case size > maxVirtualSize:
		return 0, cloud.BadRequest("The image's disk has %d bytes; allowed: %d.", size, int64(maxVirtualSize))
	case u32(offCrypt) != 0:
		return 0, cloud.BadRequest("The image is encrypted; that is not allowed.")
	case u32(offSnapshots) != 0:
		return 0, cloud.BadRequest("The image has %d internal snapshots; that is not allowed.", u32(offSnapshots))
	case uint64(u32(offL1Size)) > l1Entries(size, bits)+1:
		return 0, cloud.BadRequest("The image's L1 table has %d entries, too many for its disk.", u32(offL1Size))
	}
	if version == 2 {
		return int64(size), checkExtensions(h, headerV2) // at most maxVirtualSize
	}
	if len(h) < headerV3 {
		return 0, cloud.BadRequest("The image's header is cut off.")
	}
	features, length := u64(offIncompat), u32(offHeaderLen)
	switch {
	case features&featureDataFile != 0:
		return 0, cloud.BadRequest("The image has an external data file; that is not allowed.")
	case features&^uint64(featuresAllowed) != 0:
		return 0, cloud.BadRequest("The image has the incompatible features %#x; allowed: %#x.", features, featuresAllowed)
	case length < headerV3 || length > 4096 || int(length) > len(h):
		return 0, cloud.BadRequest("The image's header has %d bytes; allowed: %d to 4096.", length, headerV3)
	}
	return int64(size), checkExtensions(h, int(length)) // at most maxVirtualSize
}

// l1Entries is how many entries a disk needs: one for a cluster of eight-byte
// L2 entries (sixteen with extended entries, so twice as many may be there).
func l1Entries(size uint64, bits uint32) uint64 {
	perEntry := uint64(1) << (2*bits - 3)
	return 2 * (size/perEntry + 1)
}

// checkExtensions walks the extensions behind the header.
func checkExtensions(h []byte, off int) error {
	for off+8 <= len(h) {
		kind, n := binary.BigEndian.Uint32(h[off:]), int(binary.BigEndian.Uint32(h[off+4:]))
		switch {
		case kind == extEnd:
			return nil
		case kind == extDataFile:
			return cloud.BadRequest("The image names an external data file; that is not allowed.")
		case n < 0 || n > len(h)-off-8:
			return cloud.BadRequest("The image's header extensions do not end within %d bytes.", len(h))
		}
		off += 8 + (n+7)&^7
	}
	return cloud.BadRequest("The image's header extensions do not end within %d bytes.", len(h))
}
