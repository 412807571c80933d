package format

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// The structure of VHDX ([MS-VHDX]): offsets in bytes, all numbers little
// endian; GUIDs as they are on disk.
const (
	vhdxHeader1  = 64 << 10
	vhdxHeader2  = 128 << 10
	vhdxSequence = 8 // of a header
	vhdxLog      = 48
	vhdxRegions1 = 192 << 10
	vhdxRegions2 = 256 << 10
	vhdxTable    = 64 << 10
	vhdxEntry    = 32
	vhdxMost     = 2047 // entries of a table
	vhdxItems    = 1 << 20

	guidBlocks   = "\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08"
	guidMetadata = "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"
	guidParams   = "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b"
	guidSize     = "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8"
	guidParent   = "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c"

	vhdxHasParent = 1 << 1
)

// inspectVHDX finds the metadata by both copies of the region table, and
// refuses images with a parent. It gives the size of the disk.
func inspectVHDX(r io.ReaderAt, size int64) (int64, error) {
	head, err := readAt(r, 0, 8)
	if err != nil {
		return 0, err
	}
	if string(head) != "vhdxfile" {
		return 0, cloud.BadRequest("The image's disk_format is vhdx, but its data is not.")
	}
	if err := noLog(r); err != nil {
		return 0, err
	}
	first, err := metadataOf(r, vhdxRegions1, size)
	if err != nil {
		return 0, err
	}
	second, err := metadataOf(r, vhdxRegions2, size)
	if err != nil {
		return 0, err
	}
	if first != second {
		return 0, cloud.BadRequest("The image is a VHDX whose two region tables differ.")
	}
	return readMetadata(r, first)
}

// noLog sees that nothing waits in the log: what it would write over is what
// is looked at here.
func noLog(r io.ReaderAt) error {
	var sequence [2]uint64
	var dirty [2]bool
	for i, at := range []int64{vhdxHeader1, vhdxHeader2} {
		h, err := readAt(r, at, 4<<10)
		if err != nil {
			return err
		}
		if string(h[:4]) == "head" {
			sequence[i], dirty[i] = binary.LittleEndian.Uint64(h[vhdxSequence:])+1, !zero(h[vhdxLog:vhdxLog+16])
		}
	}
	switch {
	case sequence == [2]uint64{}:
		return cloud.BadRequest("The image is a VHDX without a header.")
	case sequence[0] >= sequence[1] && dirty[0], sequence[1] >= sequence[0] && dirty[1]:
		return cloud.BadRequest("The image is a VHDX with a log that was not played back; that is not allowed.")
	}
	return nil
}

// metadataOf is where a region table says that the metadata is. Regions that
// nobody knows and that are required are refused.
func metadataOf(r io.ReaderAt, at, size int64) (int64, error) {
	table, err := readAt(r, at, vhdxTable)
	if err != nil {
		return 0, err
	}
	n := binary.LittleEndian.Uint32(table[8:])
	if string(table[:4]) != "regi" || n > vhdxMost {
		return 0, cloud.BadRequest("The image is a VHDX without a region table.")
	}
	found := int64(0)
	for i := range int(n) {
		entry := table[16+i*vhdxEntry:][:vhdxEntry]
		offset, length := binary.LittleEndian.Uint64(entry[16:]), uint64(binary.LittleEndian.Uint32(entry[24:]))
		switch string(entry[:16]) {
		case guidMetadata:
			if offset < 1<<20 || offset > maxVirtualSize || found != 0 {
				return 0, cloud.BadRequest("The image is a VHDX with metadata at %d, or twice.", offset)
			}
			found = int64(offset)
		case guidBlocks:
			if err := within("block allocation table", offset, length, size); err != nil {
				return 0, err
			}
		default:
			return 0, cloud.BadRequest("The image is a VHDX with the unknown region %x; that is not allowed.", entry[:16])
		}
	}
	if found == 0 {
		return 0, cloud.BadRequest("The image is a VHDX without metadata.")
	}
	return found, nil
}

// readMetadata reads the table of items at an offset.
func readMetadata(r io.ReaderAt, at int64) (int64, error) {
	table, err := readAt(r, at, vhdxTable)
	if err != nil {
		return 0, err
	}
	n := binary.LittleEndian.Uint16(table[10:])
	if !bytes.HasPrefix(table, []byte("metadata")) || n > vhdxMost {
		return 0, cloud.BadRequest("The image is a VHDX without metadata.")
	}
	var size int64
	params := false
	for i := range int(n) {
		entry := table[32+i*vhdxEntry:][:vhdxEntry]
		offset := int64(binary.LittleEndian.Uint32(entry[16:]))
		if offset > vhdxItems {
			return 0, cloud.BadRequest("The image's VHDX metadata has an item at %d, outside of its region.", offset)
		}
		switch string(entry[:16]) {
		case guidParent:
			return 0, cloud.BadRequest("The image is a VHDX with a parent; that is not allowed.")
		case guidParams:
			item, err := readAt(r, at+offset, 8)
			if err != nil {
				return 0, err
			}
			if params = true; binary.LittleEndian.Uint32(item[4:])&vhdxHasParent != 0 {
				return 0, cloud.BadRequest("The image is a VHDX with a parent; that is not allowed.")
			}
		case guidSize:
			item, err := readAt(r, at+offset, 8)
			if err != nil {
				return 0, err
			}
			bytes := binary.LittleEndian.Uint64(item)
			if bytes == 0 || bytes > maxVirtualSize {
				return 0, cloud.BadRequest("The image's disk has %d bytes; allowed: 1 to %d.", bytes, int64(maxVirtualSize))
			}
			size = int64(bytes)
		}
	}
	if size == 0 || !params {
		return 0, cloud.BadRequest("The image is a VHDX whose metadata is not complete.")
	}
	return size, nil
}
