package format

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// The header of VDI (VirtualBox's VDICore.h): offsets in bytes, all numbers
// little endian.
const (
	vdiVersion = 0x44
	vdiKind    = 0x4c
	vdiBlocks  = 0x154 // where the map of blocks is
	vdiData    = 0x158 // where the blocks are
	vdiSector  = 0x168
	vdiSize    = 0x170
	vdiBlock   = 0x178 // bytes of a block
	vdiCount   = 0x180 // of blocks
	vdiLink    = 0x1a8 // UUID of the image that this one was made of
	vdiParent  = 0x1b8 // UUID of the image that this one differs from
	vdiHeader  = 0x200
)

// checkVDI refuses images that differ from another one. It gives the size of
// the disk.
func checkVDI(h []byte) (int64, error) {
	if len(h) < vdiHeader || !bytes.Equal(h[0x40:0x44], []byte("\x7f\x10\xda\xbe")) {
		return 0, cloud.BadRequest("The image's disk_format is vdi, but its data is not.")
	}
	version, kind := binary.LittleEndian.Uint32(h[vdiVersion:]), binary.LittleEndian.Uint32(h[vdiKind:])
	size := binary.LittleEndian.Uint64(h[vdiSize:])
	switch {
	case version != 0x10001:
		return 0, cloud.BadRequest("The image is a VDI of version %#x; allowed: 0x10001.", version)
	case kind != 1 && kind != 2:
		return 0, cloud.BadRequest("The image is a VDI of the kind %d; allowed: 1 (dynamic), 2 (fixed).", kind)
	case !zero(h[vdiLink : vdiParent+16]):
		return 0, cloud.BadRequest("The image is a VDI with a parent; that is not allowed.")
	case binary.LittleEndian.Uint32(h[vdiSector:]) != sector || binary.LittleEndian.Uint32(h[vdiBlock:]) != 1<<20:
		return 0, cloud.BadRequest("The image is a VDI with sectors of %d and blocks of %d bytes; allowed: %d, %d.",
			binary.LittleEndian.Uint32(h[vdiSector:]), binary.LittleEndian.Uint32(h[vdiBlock:]), sector, 1<<20)
	case size == 0 || size > maxVirtualSize:
		return 0, cloud.BadRequest("The image's disk has %d bytes; allowed: 1 to %d.", size, int64(maxVirtualSize))
	}
	return int64(size), nil
}

// inspectVDI sees that the map of blocks is there and long enough for the
// disk. The head was checked.
func inspectVDI(r io.ReaderAt, size int64) error {
	h, err := readAt(r, 0, vdiHeader)
	if err != nil {
		return err
	}
	blocks, data := uint64(binary.LittleEndian.Uint32(h[vdiBlocks:])), uint64(binary.LittleEndian.Uint32(h[vdiData:]))
	count := uint64(binary.LittleEndian.Uint32(h[vdiCount:]))
	if disk := binary.LittleEndian.Uint64(h[vdiSize:]); count < (disk+1<<20-1)>>20 {
		return cloud.BadRequest("The image is a VDI with %d blocks, too few for its disk of %d bytes.", count, disk)
	}
	if data < blocks {
		return cloud.BadRequest("The image is a VDI whose blocks are at %d, before their map at %d.", data, blocks)
	}
	return within("map of blocks", blocks, 4*count, size)
}

func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
