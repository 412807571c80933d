package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// The header of a VMDK that holds its own data (VMware's "Virtual Disk Format
// 5.0", sparse extent): offsets in bytes, all numbers little endian, counted
// in sectors of 512 bytes.
const (
	vmdkVersion        = 4
	vmdkCapacity       = 12
	vmdkDescriptor     = 28
	vmdkDescriptorSize = 36
	vmdkDirectory      = 56 // of grains; atEnd: the header at the end has it
	vmdkCompression    = 77
	vmdkHeader         = 512
	vmdkMaxDescriptor  = 20 << 10 // bytes; QEMU reads no more
	sector             = 512

	atEnd = 1<<64 - 1
)

// isDescriptor tells whether programs would take a head for the text that
// describes a VMDK: comments and empty lines, and then a version.
func isDescriptor(head []byte) bool {
	for line := range bytes.Lines(head[:min(len(head), 2048)]) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 || line[0] == '#':
		case bytes.HasPrefix(line, []byte("version=")):
			return len(line) == 9 && line[8] >= '1' && line[8] <= '3'
		default:
			return false
		}
	}
	return false
}

// checkVMDK refuses a VMDK whose data, or whose parent, is in another file: a
// bare descriptor, and a descriptor inside that names more than the one sparse
// extent that the file is. It gives the size of the disk.
func checkVMDK(h []byte) (int64, error) {
	switch {
	case isDescriptor(h) || bytes.HasPrefix(h, []byte("# Disk DescriptorFile")):
		return 0, cloud.BadRequest("The image is a VMDK whose extents are in other files%s; allowed: one file, monolithicSparse or streamOptimized.", firstExtent(h))
	case bytes.HasPrefix(h, []byte("COWD")):
		return 0, cloud.BadRequest("The image is a VMDK of the kind COWD; allowed: monolithicSparse, streamOptimized.")
	case !bytes.HasPrefix(h, []byte("KDMV")) || len(h) < vmdkHeader:
		return 0, cloud.BadRequest("The image's disk_format is vmdk, but its data is not.")
	}
	version := binary.LittleEndian.Uint32(h[vmdkVersion:])
	capacity := binary.LittleEndian.Uint64(h[vmdkCapacity:])
	at, n := binary.LittleEndian.Uint64(h[vmdkDescriptor:]), binary.LittleEndian.Uint64(h[vmdkDescriptorSize:])
	sectors := uint64(len(h) / sector)
	switch {
	case version < 1 || version > 3:
		return 0, cloud.BadRequest("The image is a VMDK of version %d; allowed: 1 to 3.", version)
	case capacity == 0 || capacity > maxVirtualSize/sector:
		return 0, cloud.BadRequest("The image's disk has %d sectors; allowed: 1 to %d.", capacity, int64(maxVirtualSize/sector))
	case at == 0 || n == 0:
		return 0, cloud.BadRequest("The image is a VMDK without a descriptor; that is not allowed.")
	case n > vmdkMaxDescriptor/sector:
		return 0, cloud.BadRequest("The image's VMDK descriptor is not within %d bytes; it has %d sectors.", vmdkMaxDescriptor, n)
	case binary.LittleEndian.Uint16(h[vmdkCompression:]) > 1:
		return 0, cloud.BadRequest("The image is a VMDK of the compression %d; allowed: 0, 1.", binary.LittleEndian.Uint16(h[vmdkCompression:]))
	case at > sectors || n > sectors-at:
		return 0, cloud.BadRequest("The image's VMDK descriptor is not within its first %d bytes.", len(h))
	}
	return int64(capacity) * sector, checkDescriptor(h[at*sector : (at+n)*sector])
}

// checkDescriptor reads the text that says what a VMDK consists of.
func checkDescriptor(text []byte) error {
	if end := bytes.IndexByte(text, 0); end >= 0 {
		text = text[:end]
	}
	extents, kind := 0, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		key, value, _ := strings.Cut(line, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "createtype":
			if kind != "" {
				return cloud.BadRequest("The image's VMDK descriptor has createType twice.")
			}
			kind = value
		case "parentcid":
			if !strings.EqualFold(value, "ffffffff") {
				return cloud.BadRequest("The image is a VMDK with a parent; that is not allowed.")
			}
		case "parentfilenamehint":
			return cloud.BadRequest("The image is a VMDK with a parent; that is not allowed.")
		}
		words := strings.Fields(strings.ToUpper(line))
		if len(words) < 2 || words[0] != "RW" && words[0] != "RDONLY" && words[0] != "NOACCESS" {
			continue
		}
		if extents++; extents > 1 || len(words) < 4 || words[2] != "SPARSE" {
			return cloud.BadRequest("The image's VMDK descriptor has the extent %.64q; allowed: one of the kind SPARSE.", line)
		}
	}
	switch {
	case kind != "monolithicSparse" && kind != "streamOptimized":
		return cloud.BadRequest("The image is a VMDK of the kind %.32q; allowed: monolithicSparse, streamOptimized.", kind)
	case extents != 1:
		return cloud.BadRequest("The image's VMDK descriptor names %d extents; allowed: 1.", extents)
	}
	return nil
}

// firstExtent names the first extent of a descriptor, for a message.
func firstExtent(text []byte) string {
	for line := range bytes.Lines(text[:min(len(text), 2048)]) {
		if words := bytes.Fields(line); len(words) >= 4 && (string(words[0]) == "RW" || string(words[0]) == "RDONLY") {
			return fmt.Sprintf(" (%.128q)", bytes.TrimSpace(line))
		}
	}
	return ""
}

// inspectVMDK sees that a header at the end says nothing else than the one at
// the start, which programs read first, and that the directory is there. The
// head was checked.
func inspectVMDK(r io.ReaderAt, size int64) error {
	h, err := readAt(r, 0, vmdkHeader)
	if err != nil {
		return err
	}
	directory := binary.LittleEndian.Uint64(h[vmdkDirectory:])
	if directory == atEnd {
		last, err := readAt(r, size-2*sector, vmdkHeader)
		if err != nil {
			return err
		}
		directory = binary.LittleEndian.Uint64(last[vmdkDirectory:])
		same := bytes.Equal(h[:vmdkDirectory], last[:vmdkDirectory]) && bytes.Equal(h[vmdkDirectory+8:vmdkCompression+2], last[vmdkDirectory+8:vmdkCompression+2])
		if !same || directory == atEnd {
			return cloud.BadRequest("The image is a VMDK whose header at its end differs from the one at its start.")
		}
	}
	if directory > maxVirtualSize/sector {
		return cloud.BadRequest("The image's VMDK grain directory is at the sector %d, behind its end.", directory)
	}
	return within("grain directory", directory*sector, 4, size)
}
