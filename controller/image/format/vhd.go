package format

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// The footer of VHD and the header that follows its copy at the start of a
// dynamic one (Microsoft's "Virtual Hard Disk Image Format Specification"
// 1.0): offsets in bytes, all numbers big endian.
const (
	vhdVersion  = 12
	vhdNext     = 16
	vhdSize     = 48
	vhdKind     = 60
	vhdSum      = 64 // checksum
	vhdFooter   = 512
	vhdParent   = 40  // of the dynamic header: UUID
	vhdLocators = 576 // of the dynamic header: eight of 24 bytes
	vhdDynamic  = 1024

	vhdFixed  = 2
	vhdGrowth = 3
)

// inspectVHD reads the footer, which is what counts, and sees that no part
// points to a parent. It gives the size of the disk.
func inspectVHD(r io.ReaderAt, size int64) (int64, error) {
	footer, err := readAt(r, size-vhdFooter, vhdFooter)
	if err != nil {
		return 0, err
	}
	if !bytes.HasPrefix(footer, []byte("conectix")) {
		return 0, cloud.BadRequest("The image's disk_format is vhd, but its data is not: the last 512 bytes are no footer.")
	}
	version, kind := binary.BigEndian.Uint32(footer[vhdVersion:]), binary.BigEndian.Uint32(footer[vhdKind:])
	disk := binary.BigEndian.Uint64(footer[vhdSize:])
	switch {
	case binary.BigEndian.Uint32(footer[vhdSum:]) != sumOf(footer):
		return 0, cloud.BadRequest("The image is a VHD whose footer has the checksum %#x; right were %#x.", binary.BigEndian.Uint32(footer[vhdSum:]), sumOf(footer))
	case version>>16 != 1:
		return 0, cloud.BadRequest("The image is a VHD of version %#x; allowed: 0x10000.", version)
	case disk == 0 || disk > maxVirtualSize:
		return 0, cloud.BadRequest("The image's disk has %d bytes; allowed: 1 to %d.", disk, int64(maxVirtualSize))
	case kind == vhdFixed && disk != uint64(size-vhdFooter):
		return 0, cloud.BadRequest("The image is a fixed VHD of %d bytes, but its footer says %d.", size-vhdFooter, disk)
	case kind == vhdFixed:
		return int64(disk), noCopy(r)
	case kind != vhdGrowth:
		return 0, cloud.BadRequest("The image is a VHD of the kind %d; allowed: 2 (fixed), 3 (dynamic).", kind)
	}
	return int64(disk), checkDynamic(r, footer)
}

// sumOf is the checksum of a footer: the complement of the sum of its bytes but
// for the checksum's own.
func sumOf(footer []byte) uint32 {
	sum := uint32(0)
	for i, b := range footer {
		if i < vhdSum || i >= vhdSum+4 {
			sum += uint32(b)
		}
	}
	return ^sum
}

// noCopy sees that a fixed VHD does not begin like one of another kind:
// programs differ in which end they read first.
func noCopy(r io.ReaderAt) error {
	head, err := readAt(r, 0, 8)
	if err == nil && string(head) == "conectix" {
		err = cloud.BadRequest("The image is a fixed VHD, but begins like a dynamic one.")
	}
	return err
}

// checkDynamic sees that both ends say the same, and that there is no parent.
func checkDynamic(r io.ReaderAt, footer []byte) error {
	first, err := readAt(r, 0, vhdFooter)
	if err != nil {
		return err
	}
	if !bytes.Equal(first, footer) {
		return cloud.BadRequest("The image is a VHD whose two footers differ.")
	}
	next := binary.BigEndian.Uint64(footer[vhdNext:])
	if next > maxVirtualSize {
		return cloud.BadRequest("The image's VHD header is at %d, behind its end.", next)
	}
	header, err := readAt(r, int64(next), vhdDynamic)
	switch {
	case err != nil:
		return err
	case !bytes.HasPrefix(header, []byte("cxsparse")):
		return cloud.BadRequest("The image is a dynamic VHD without a header.")
	case !zero(header[vhdParent:vhdParent+16]) || !zero(header[vhdLocators:vhdLocators+8*24]):
		return cloud.BadRequest("The image is a VHD with a parent; that is not allowed.")
	}
	return nil
}
