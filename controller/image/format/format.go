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
	{"iso", 0x8001, "CD001"},
}

// Detect lists the formats whose signatures the head has; none is raw.
func Detect(head []byte) []string {
	var found []string
	for _, s := range signatures {
		if len(head) >= s.offset+len(s.magic) && string(head[s.offset:s.offset+len(s.magic)]) == s.magic {
			found = append(found, s.name)
		}
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
	case "vhdx", "iso":
		if len(Detect(head)) == 0 {
			return 0, cloud.BadRequest("The image's disk_format is %s, but its data is not.", declared)
		}
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
	case "vhd":
		return inspectVHD(r, size)
	case "vhdx":
		return inspectVHDX(r)
	default:
		return 0, nil
	}
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

// isTar tells whether the head is that of a tar (POSIX or GNU).
func isTar(head []byte) bool { return len(head) >= 512 && string(head[257:262]) == "ustar" }

// checkOVA wants a tar that begins with its description, as DMTF's DSP0243
// has it.
func checkOVA(head []byte) error {
	if !isTar(head) {
		return cloud.BadRequest("The image's container_format is ova, but its data is no tar.")
	}
	name, _, _ := bytes.Cut(head[:100], []byte{0})
	if !bytes.HasSuffix(bytes.ToLower(name), []byte(".ovf")) {
		return cloud.BadRequest("The image's container_format is ova, but its first file is %.64q; allowed: a name that ends in .ovf.", name)
	}
	return nil
}
