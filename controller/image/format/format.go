// Package format looks at the first bytes of a disk image and tells whether
// it is what its owner says it is, and harmless: an image must never be able
// to name a file of the host that opens it.
//
// It is pure, and imports cloud only.
package format

import (
	"bytes"

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

// zstd begins a compressed tree for containers.
var zstd = []byte{0x28, 0xb5, 0x2f, 0xfd}

// Check tells whether an image that begins with head is of the declared disk
// format (raw, qcow2, iso, aki, ari, ami; tree is a tar.zst for containers),
// and the size of the disk that a guest sees, 0 if it is the file's.
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
	case "iso":
		if len(Detect(head)) == 0 {
			return 0, cloud.BadRequest("The image's disk_format is iso, but its data is not.")
		}
	case "tree":
		if !bytes.HasPrefix(head, zstd) {
			return 0, cloud.BadRequest("The image has img_hv_type=lxc, but its data is no tar.zst.")
		}
	}
	return 0, nil
}
