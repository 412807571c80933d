// Package format looks at the first bytes of a disk image and tells whether
// it is what its owner says it is, and harmless: an image must never be able
// to name a file of the host that opens it.
//
// It is pure, and imports cloud only.
package format

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// HeadSize is how many bytes of an image [Check] wants to see; fewer only if
// the image is smaller.
const HeadSize = 64 << 10

// signatures tell formats that say themselves what they are.
var signatures = []struct {
	name   string
	offset int
	magic  string
}{
	{"qcow2", 0, "QFI\xfb"},
	{"qed", 0, "QED\x00"},
	{"vmdk", 0, "KDMV"},
	{"vmdk", 0, "COWD"},
	{"vmdk", 0, "# Disk DescriptorFile"},
	{"vhdx", 0, "vhdxfile"},
	{"vhd", 0, "conectix"},
	{"vdi", 0x40, "\x7f\x10\xda\xbe"},
	{"luks", 0, "LUKS\xba\xbe"},
	{"parallels", 0, "WithoutFreeSpace"},
	{"parallels", 0, "WithouFreSpacExt"},
	{"bochs", 0, "Bochs Virtual HD Image"},
	{"cloop", 0, "#!/bin/sh\n#V2.0 Format"},
	{"iso", isoVolume + 1, isoMagic},
}

// tails tell formats that say at their end what they are.
var tails = []struct{ name, magic string }{{"vhd", "conectix"}, {"dmg", "koly"}}

const tailSize = 512

// Detect lists the formats whose signatures the head has; none is raw.
func Detect(head []byte) []string {
	var found []string
	for _, s := range signatures {
		if len(head) >= s.offset+len(s.magic) && string(head[s.offset:s.offset+len(s.magic)]) == s.magic {
			found = append(found, s.name)
		}
	}
	if isDescriptor(head) && !slices.Contains(found, "vmdk") {
		found = append(found, "vmdk")
	}
	return found
}

// What compressed files begin with.
var (
	zstd = []byte{0x28, 0xb5, 0x2f, 0xfd}
	gzip = []byte{0x1f, 0x8b}
)

// Check tells whether an image that begins with head is of the declared disk
// format (tree is a tar.zst for containers; ova and docker are the containers
// of these names, whatever the disks inside), and the size of the disk that a
// guest sees, 0 if the head does not say. [Inspect] sees the rest.
func Check(declared string, head []byte) (virtualSize int64, err error) {
	if len(head) == 0 {
		return 0, cloud.BadRequest("The image has no data.")
	}
	for _, found := range Detect(head) {
		if found != declared && (found != "iso" || declared != "raw") {
			return 0, cloud.BadRequest("The image's data is of the format %s, but its disk_format is %s.", found, declared)
		}
	}
	switch declared {
	case "qcow2":
		return checkQCOW2(head)
	case "vmdk":
		return checkVMDK(head)
	case "vdi":
		return checkVDI(head)
	case "vhdx":
		if len(Detect(head)) == 0 {
			return 0, cloud.BadRequest("The image's disk_format is vhdx, but its data is not.")
		}
	case "iso":
		return 0, checkISO(head)
	case "raw", "ami", "ari", "aki":
		return 0, checkRaw(declared, head)
	case "ova":
		return 0, checkOVA(head)
	case "docker":
		if !isTar(head) && !bytes.HasPrefix(head, gzip) {
			return 0, cloud.BadRequest("The image's container_format is docker, but its data is no tar, nor a tar.gz.")
		}
	case "tree":
		if !bytes.HasPrefix(head, zstd) {
			return 0, cloud.BadRequest("The image has img_hv_type=lxc, but its data is no tar.zst.")
		}
	}
	return 0, nil
}

// Inspect looks at what is not in the head of an image of size bytes, when all
// of it is there. It gives the size of the disk, 0 if it is the file's or the
// head has said it.
func Inspect(declared string, r io.ReaderAt, size int64) (virtualSize int64, err error) {
	switch declared {
	case "qcow2":
		return 0, inspectQCOW2(r, size)
	case "vmdk":
		return 0, inspectVMDK(r, size)
	case "vdi":
		return 0, inspectVDI(r, size)
	case "vhd":
		return inspectVHD(r, size)
	case "vhdx":
		return inspectVHDX(r, size)
	case "iso":
		return 0, errors.Join(inspectISO(r, size), inspectTail(declared, r, size))
	case "ova":
		return 0, inspectOVA(r, size)
	default:
		return 0, inspectTail(declared, r, size)
	}
}

// inspectTail refuses what says at its end that it is something else.
func inspectTail(declared string, r io.ReaderAt, size int64) error {
	if size < tailSize {
		return nil
	}
	tail, err := readAt(r, size-tailSize, tailSize)
	if err != nil {
		return err
	}
	for _, t := range tails {
		if bytes.HasPrefix(tail, []byte(t.magic)) {
			return cloud.BadRequest("The image's data ends as one of the format %s does, but its disk_format is %s.", t.name, declared)
		}
	}
	return nil
}

// within refuses a part of an image that is not within its file. Offsets come
// from the image: any number.
func within(what string, at, n uint64, size int64) error {
	if at > uint64(size) || n > uint64(size)-at {
		return cloud.BadRequest("The image is cut off: its %s is at %d with %d bytes, the file has %d.", what, at, n, size)
	}
	return nil
}

// readAt reads n bytes at an offset; an image that ends before them is cut off.
func readAt(r io.ReaderAt, off int64, n int) ([]byte, error) {
	if off < 0 {
		return nil, cloud.BadRequest("The image is cut off.")
	}
	b := make([]byte, n)
	got, err := r.ReadAt(b, off)
	switch {
	case got == n:
		return b, nil
	case errors.Is(err, io.EOF):
		return nil, cloud.BadRequest("The image is cut off.")
	default:
		return nil, err
	}
}
