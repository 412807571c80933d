package disk

import (
	"encoding/binary"
	"io"
)

// Magics of RAID and of pools. Sources: the kernel's md_p.h, mdadm's
// super-ddf.c and super-intel.c, SNIA DDF 2.0, and ZFS's vdev_impl.h.
const (
	mdMagic    = "\xfc\x4e\x2b\xa9"
	mdMagicBig = "\xa9\x2b\x4e\xfc" // 0.90 of a big-endian machine
	ddfMagic   = "\xde\x11\xde\x11"
	ismMagic   = "Intel Raid ISM Cfg Sig. "

	raidMember = "Linux RAID member"
)

// memberships says what larger thing announces itself at the end of a volume:
// RAID of the kernel (0.90 and 1.0), of firmware, a ZFS pool.
func memberships(r io.ReaderAt, size int64) []string {
	var out []string
	for _, k := range []struct {
		name, magic string
		at          int64
	}{
		{raidMember, mdMagic, (size/512 - 16) &^ 7 * 512},
		{raidMember, mdMagic, size&^0xffff - 0x10000},
		{raidMember, mdMagicBig, size&^0xffff - 0x10000},
		{"DDF RAID member", ddfMagic, size - 512},
		{"DDF RAID member", ddfMagic, size - 257*512},
		{"Intel RAID member", ismMagic, size - 2*512},
		{"Intel RAID member", ismMagic, size - 2*4096},
	} {
		if hasAt(r, size, k.at, k.magic) && !contains(out, k.name) {
			out = append(out, k.name)
		}
	}
	if zfs(r, size) {
		out = append(out, "ZFS pool member")
	}
	return out
}

// zfs finds an uberblock in any of the four labels of a pool member: two at
// the start, two at the end, each of 256 KiB with the uberblocks in its second
// half.
func zfs(r io.ReaderAt, size int64) bool {
	const label = 256 << 10
	end := size &^ (label - 1)
	for _, at := range []int64{0, label, end - 2*label, end - label} {
		if at >= 0 && at+label <= size && uberblock(r, at+label/2) {
			return true
		}
	}
	return false
}

func uberblock(r io.ReaderAt, at int64) bool {
	const each, count, magic = 1 << 10, 128, 0x00bab10c
	b := make([]byte, each*count)
	if _, err := r.ReadAt(b, at); err != nil {
		return false
	}
	for i := range count {
		u := b[i*each:]
		if binary.LittleEndian.Uint64(u) == magic || binary.BigEndian.Uint64(u) == magic {
			return true
		}
	}
	return false
}
