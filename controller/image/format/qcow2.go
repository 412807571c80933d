package format

import (
	"encoding/binary"
	"io"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// The header of QCOW2 (QEMU's docs/interop/qcow2.txt): offsets in bytes, all
// numbers big endian.
const (
	offVersion     = 4
	offBacking     = 8
	offBackingSize = 16
	offClusterBits = 20
	offSize        = 24
	offCrypt       = 32
	offL1Size      = 36
	offL1          = 40
	offRefcounts   = 48 // table of tables
	offRefClusters = 56
	offSnapshots   = 60
	offIncompat    = 72
	offRefOrder    = 96
	offHeaderLen   = 100
	offCompression = 104
	headerV2       = 72
	headerV3       = 104

	extEnd      = 0
	extDataFile = 0x44415441
	extBacking  = 0xe2792aca // the format of a backing file
	extCrypt    = 0x0537be77

	maxRefcounts = 8 << 20 // bytes of their table, as QEMU has it

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
		return 0, cloud.BadRequest("The image has the backing file %.128q; that is not allowed.", textAt(h, u64(offBacking), u32(offBackingSize)))
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
	case u32(offRefOrder) > 6:
		return 0, cloud.BadRequest("The image has refcount_order %d; allowed: 0 to 6.", u32(offRefOrder))
	case length > offCompression && len(h) > offCompression && h[offCompression] > 1:
		return 0, cloud.BadRequest("The image has the compression type %d; allowed: 0, 1.", h[offCompression])
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
		case n < 0 || n > len(h)-off-8:
			return cloud.BadRequest("The image's header extensions do not end within %d bytes.", len(h))
		case kind == extDataFile:
			return cloud.BadRequest("The image names the external data file %.128q; that is not allowed.", h[off+8:off+8+n])
		case kind == extBacking:
			return cloud.BadRequest("The image names %.32q as the format of a backing file; that is not allowed.", h[off+8:off+8+n])
		case kind == extCrypt:
			return cloud.BadRequest("The image is encrypted; that is not allowed.")
		}
		off += 8 + (n+7)&^7
	}
	return cloud.BadRequest("The image's header extensions do not end within %d bytes.", len(h))
}

// textAt is a text of n bytes in the head, for a message; empty if it is not
// there.
func textAt(h []byte, at uint64, n uint32) []byte {
	if at > uint64(len(h)) || uint64(n) > uint64(len(h))-at {
		return nil
	}
	return h[at : at+uint64(n)]
}

// inspectQCOW2 sees that the tables are where the header says, and of a size
// that can be read. The head was checked.
func inspectQCOW2(r io.ReaderAt, size int64) error {
	h, err := readAt(r, 0, headerV2)
	if err != nil {
		return err
	}
	u32 := func(off int) uint64 { return uint64(binary.BigEndian.Uint32(h[off:])) }
	u64 := func(off int) uint64 { return binary.BigEndian.Uint64(h[off:]) }
	cluster := uint64(1) << min(u32(offClusterBits), 21)
	refcounts := u32(offRefClusters) * cluster
	switch {
	case u64(offL1)%cluster != 0 || u64(offRefcounts)%cluster != 0:
		return cloud.BadRequest("The image's tables are at %d and %d; allowed: multiples of %d.", u64(offL1), u64(offRefcounts), cluster)
	case u64(offRefcounts) == 0 || refcounts == 0 || refcounts > maxRefcounts:
		return cloud.BadRequest("The image's refcount table is at %d with %d bytes; allowed: 1 to %d bytes.", u64(offRefcounts), refcounts, maxRefcounts)
	}
	if err := within("L1 table", u64(offL1), 8*u32(offL1Size), size); err != nil {
		return err
	}
	return within("refcount table", u64(offRefcounts), refcounts, size)
}
