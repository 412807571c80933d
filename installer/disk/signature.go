package disk

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// A signature is one kind of content that announces itself by a magic at a
// fixed place. Sources: the kernel's own headers, and util-linux libblkid.
type signature struct {
	name    string
	at      int64
	magic   string
	labelAt int64 // 0: has no label
	label   int   // bytes
}

// signatures are looked for in this order; several can be on one volume, and
// then all are named.
var signatures = []signature{
	{name: luks, magic: "LUKS\xba\xbe"},
	{name: "BitLocker volume", at: 3, magic: "-FVE-FS-"},
	{name: "LVM physical volume", at: 512 + 24, magic: "LVM2 001"},
	{name: "LVM physical volume", at: 24, magic: "LVM2 001"},
	{name: "LVM physical volume", at: 2*512 + 24, magic: "LVM2 001"},
	{name: "LVM physical volume", at: 3*512 + 24, magic: "LVM2 001"},
	{name: raidMember, magic: mdMagic},
	{name: raidMember, at: 4096, magic: mdMagic},
	{name: "bcache device", at: 4096 + 24, magic: "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"},
	{name: "Ceph OSD", magic: "bluestore block device"},
	{name: "XFS file system", magic: "XFSB", labelAt: 108, label: 12},
	{name: "ext file system", at: 1024 + 56, magic: "\x53\xef", labelAt: 1024 + 120, label: 16},
	{name: "btrfs file system", at: 65536 + 64, magic: "_BHRfS_M", labelAt: 65536 + 299, label: 256},
	{name: "NTFS file system", at: 3, magic: "NTFS    "},
	{name: "exFAT file system", at: 3, magic: "EXFAT   "},
	{name: "FAT file system", at: 82, magic: "FAT32   ", labelAt: 71, label: 11},
	{name: "FAT file system", at: 54, magic: "FAT1", labelAt: 43, label: 11},
	{name: "F2FS file system", at: 1024, magic: "\x10\x20\xf5\xf2"},
	{name: "EROFS file system", at: 1024, magic: "\xe2\xe1\xf5\xe0"},
	{name: "SquashFS file system", magic: "hsqs"},
	{name: "ISO 9660 file system", at: 32769, magic: "CD001", labelAt: 32808, label: 32},
	{name: "VMFS volume", at: 1 << 20, magic: "\x0d\xd0\x01\xc0"},
	{name: "swap space", at: 4086, magic: "SWAPSPACE2", labelAt: 1024 + 28, label: 16},
}

// Volume says in words what is on a volume of that size: a file system, a
// member of something larger, encrypted data. Empty: nothing that it knows.
func Volume(r io.ReaderAt, size int64) []string {
	var out []string
	for _, s := range signatures {
		if found, ok := s.look(r, size); ok && !contains(out, found) {
			out = append(out, found)
		}
	}
	if secondLUKS(r, size) && !contains(out, luks) {
		out = append(out, luks)
	}
	for _, m := range memberships(r, size) {
		if !contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

const luks = "LUKS encrypted volume"

// secondLUKS finds the second header of LUKS2, which brings the first back
// when that is damaged.
func secondLUKS(r io.ReaderAt, size int64) bool {
	for at := int64(16 << 10); at <= 4<<20; at *= 2 {
		if hasAt(r, size, at, "SKUL\xba\xbe") {
			return true
		}
	}
	return false
}

// Label is the label of the file system on a volume, if it has one that is
// looked for here.
func Label(r io.ReaderAt, size int64) (fsName, label string) {
	for _, s := range signatures {
		if s.labelAt == 0 {
			continue
		}
		if _, ok := s.look(r, size); ok {
			return s.name, s.text(r)
		}
	}
	return "", ""
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if strings.HasPrefix(l, s) {
			return true
		}
	}
	return false
}

func (s signature) look(r io.ReaderAt, size int64) (string, bool) {
	if !hasAt(r, size, s.at, s.magic) {
		return "", false
	}
	if label := s.text(r); label != "" {
		return fmt.Sprintf("%s %q", s.name, label), true
	}
	return s.name, true
}

func (s signature) text(r io.ReaderAt) string {
	if s.labelAt == 0 {
		return ""
	}
	b := make([]byte, s.label)
	if _, err := r.ReadAt(b, s.labelAt); err != nil {
		return ""
	}
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.TrimSpace(string(b))
}

func hasAt(r io.ReaderAt, size, at int64, magic string) bool {
	if at < 0 || at+int64(len(magic)) > size {
		return false
	}
	b := make([]byte, len(magic))
	if _, err := r.ReadAt(b, at); err != nil {
		return false
	}
	return string(b) == magic
}
