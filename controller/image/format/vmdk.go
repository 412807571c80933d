package format

import (
	"bytes"
	"encoding/binary"
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
	vmdkHeader         = 512
	sector             = 512
)

// checkVMDK refuses a VMDK whose data, or whose parent, is in another file: a
// bare descriptor, and a descriptor inside that names more than the one sparse
// extent that the file is. It gives the size of the disk.
func checkVMDK(h []byte) (int64, error) {
	switch {
	case bytes.HasPrefix(h, []byte("# Disk DescriptorFile")):
		return 0, cloud.BadRequest("The image is a VMDK whose extents are in other files; allowed: one file, monolithicSparse or streamOptimized.")
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
