package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// A trace is what a tool leaves on a volume.
type trace struct {
	name  string
	words string // of Volume
	blkid string // type that blkid sees; empty: it is not asked
	leave func(t *testing.T, f io.WriterAt, size int64)
}

func put(t *testing.T, f io.WriterAt, b []byte, at int64) {
	t.Helper()
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

// md1 is a superblock of version 1 at that place (md_p.h: mdp_superblock_1).
func md1(at int64) []byte {
	b := make([]byte, 256)
	copy(b, mdMagic)
	binary.LittleEndian.PutUint32(b[4:], 1)
	copy(b[16:], "0123456789abcdef")
	binary.LittleEndian.PutUint64(b[144:], uint64(at/512))
	return b
}

// md090 is one of version 0.90 (mdp_superblock_s), of either byte order.
func md090(order binary.ByteOrder) []byte {
	b := make([]byte, 4096)
	order.PutUint32(b, 0xa92b4efc)
	order.PutUint32(b[8:], 90)
	order.PutUint32(b[20:], 0x12345678)
	return b
}

// lvmLabel is the label of a physical volume (LVM2: lib/label/label.h).
func lvmLabel(sector uint64) []byte {
	b := make([]byte, 512)
	copy(b, "LABELONE")
	binary.LittleEndian.PutUint64(b[8:], sector)
	binary.LittleEndian.PutUint32(b[20:], 32)
	copy(b[24:], "LVM2 001")
	copy(b[32:], "abcdefghijklmnopqrstuvwxyz012345")
	binary.LittleEndian.PutUint32(b[16:], ^crc32.Update(^uint32(0xf597a6cf), crc32.IEEETable, b[20:]))
	return b
}

// zfsLabels writes uberblocks into one of the four labels.
func zfsLabel(n int64) func(*testing.T, io.WriterAt, int64) {
	return func(t *testing.T, f io.WriterAt, size int64) {
		const label = 256 << 10
		at := n * label
		if n >= 2 {
			at = size&^(label-1) - (4-n)*label
		}
		for i := range int64(8) {
			u := make([]byte, 1024)
			binary.LittleEndian.PutUint64(u, 0x00bab10c)
			binary.LittleEndian.PutUint64(u[8:], 5000)
			put(t, f, u, at+label/2+i*1024)
		}
	}
}

func bytesAt(b []byte, at func(size int64) int64) func(*testing.T, io.WriterAt, int64) {
	return func(t *testing.T, f io.WriterAt, size int64) { put(t, f, b, at(size)) }
}

func fixed(at int64) func(int64) int64 { return func(int64) int64 { return at } }

// byTool lets a tool format a file of that size and copies both ends of it.
func byTool(argv ...string) func(*testing.T, io.WriterAt, int64) {
	return func(t *testing.T, f io.WriterAt, size int64) {
		_, from := made(t, size, argv...)
		for _, at := range []int64{0, size - 16<<20} {
			b := make([]byte, 16<<20)
			if _, err := from.ReadAt(b, at); err != nil {
				t.Fatal(err)
			}
			put(t, f, b, at)
		}
	}
}

func traces() []trace {
	v10 := func(size int64) int64 { return (size/512 - 16) &^ 7 * 512 }
	v09 := func(size int64) int64 { return size&^0xffff - 0x10000 }
	noKey := []string{"cryptsetup", "luksFormat", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "/etc/hostname"}
	return []trace{
		{"md 1.1", raidMember, "linux_raid_member", bytesAt(md1(0), fixed(0))},
		{"md 1.2", raidMember, "linux_raid_member", bytesAt(md1(4096), fixed(4096))},
		{"md 1.0", raidMember, "linux_raid_member", func(t *testing.T, f io.WriterAt, size int64) { put(t, f, md1(v10(size)), v10(size)) }},
		{"md 0.90", raidMember, "linux_raid_member", bytesAt(md090(binary.LittleEndian), v09)},
		{"md 0.90 big-endian", raidMember, "linux_raid_member", bytesAt(md090(binary.BigEndian), v09)},
		{"LVM", "LVM physical volume", "LVM2_member", bytesAt(lvmLabel(1), fixed(512))},
		{"LVM in the last sector that may", "LVM physical volume", "", bytesAt(lvmLabel(3), fixed(3*512))},
		{"ZFS label 0", "ZFS pool member", "zfs_member", zfsLabel(0)},
		{"ZFS label 1", "ZFS pool member", "zfs_member", zfsLabel(1)},
		{"ZFS label 2", "ZFS pool member", "zfs_member", zfsLabel(2)},
		{"ZFS label 3", "ZFS pool member", "zfs_member", zfsLabel(3)},
		{"DDF", "DDF RAID member", "", bytesAt([]byte(ddfMagic), func(size int64) int64 { return size - 512 })},
		{"DDF second", "DDF RAID member", "", bytesAt([]byte(ddfMagic), func(size int64) int64 { return size - 257*512 })},
		{"Intel", "Intel RAID member", "isw_raid_member", bytesAt([]byte(ismMagic+"1.3.00"), func(size int64) int64 { return size - 1024 })},
		{"LUKS1", luks, "crypto_LUKS", byTool(append(noKey, "--type", "luks1")...)},
		{"LUKS2", luks, "crypto_LUKS", byTool(append(noKey, "--type", "luks2")...)},
		{"LUKS2 second header", luks, "", bytesAt([]byte("SKUL\xba\xbe"), fixed(16<<10))},
		{"LUKS2 second header, last place", luks, "", bytesAt([]byte("SKUL\xba\xbe"), fixed(4<<20))},
		{"ext4", "ext file system", "ext4", byTool("mkfs.ext4", "-q", "-F")},
		{"XFS", "XFS file system", "xfs", byTool("mkfs.xfs", "-q")},
		{"btrfs", "btrfs file system", "btrfs", byTool("mkfs.btrfs", "-q")},
		{"FAT", "FAT file system", "vfat", byTool("mkfs.vfat", "-F", "32")},
		{"swap", "swap space", "swap", byTool("mkswap")},
	}
}

// blkid is the type that util-linux sees in a part of a file.
func blkid(t *testing.T, f *os.File, p place) string {
	t.Helper()
	tool, err := exec.LookPath("blkid")
	if err != nil {
		return ""
	}
	out, err := exec.Command(tool, "-p", "-o", "value", "-s", "TYPE",
		"-O", strconv.FormatInt(p.start, 10), "-S", strconv.FormatInt(p.end-p.start, 10), f.Name()).CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 2 {
		return "" // nothing found
	}
	if err != nil {
		t.Fatalf("blkid: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// oldTable has a partition where a new one begins, one where none does, and one
// up to the end of the disk.
func oldTable(size int64) []plan.Partition {
	const typeLinux = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
	esp := plan.Layout(size)[1]
	parts := []plan.Partition{
		{Label: "same", Type: typeLinux, Start: esp.Start, Size: 2<<30 + 7<<20},
		{Label: "other", Type: typeLinux, Start: esp.Start + 3<<30, Size: 1<<30 + 512*77},
		{Label: "last", Type: typeLinux, Start: 9 << 30},
	}
	parts[2].Size = size - 34*512 - parts[2].Start
	return parts
}

func TestNothingOldIsFoundAgain(t *testing.T) {
	for _, c := range traces() {
		t.Run(c.name, func(t *testing.T) {
			target := smallest(t)
			parts := oldTable(target.Size)
			if _, err := target.writeTable(parts); err != nil {
				t.Fatal(err)
			}
			for _, p := range partsPlaces(parts) {
				section := io.NewOffsetWriter(target.f, p.start)
				c.leave(t, section, p.end-p.start)
				if got := Volume(io.NewSectionReader(target.f, p.start, p.end-p.start), p.end-p.start); len(got) != 1 || !strings.HasPrefix(got[0], c.words) {
					t.Fatalf("before, it looks like %q, want %q", got, c.words)
				}
				if got := blkid(t, target.f, p); c.blkid != "" && got != c.blkid && got != "" {
					t.Errorf("before, blkid sees %q, want %q", got, c.blkid)
				}
			}
			nothingAfter(t, target, partsPlaces(parts))
		})
		t.Run(c.name+", whole disk", func(t *testing.T) {
			target := smallest(t)
			c.leave(t, target.f, target.Size)
			if got := Look(target.f, target.Size).Words; len(got) != 1 || !strings.HasPrefix(got[0], c.words) {
				t.Fatalf("before, it looks like %q, want %q", got, c.words)
			}
			nothingAfter(t, target, nil)
		})
	}
}

// nothingAfter installs a table, and looks at the old places and the new ones.
func nothingAfter(t *testing.T, target *Target, old []place) {
	t.Helper()
	parts := plan.Layout(target.Size)
	if _, err := target.Partition(parts); err != nil {
		t.Fatal(err)
	}
	for _, p := range append(old, partsPlaces(parts)...) {
		size := p.end - p.start
		if got := Volume(io.NewSectionReader(target.f, p.start, size), size); got != nil {
			t.Errorf("at %d there is still %q", p.start, got)
		}
		if got := blkid(t, target.f, p); got != "" {
			t.Errorf("at %d blkid still sees %q", p.start, got)
		}
	}
	if d := cmp.Diff([]string{cutOff}, Look(target.f, target.Size).Words); d != "" {
		t.Error(d)
	}
	wipefs, err := exec.LookPath("wipefs")
	if err != nil {
		return
	}
	out, err := exec.Command(wipefs, "--noheadings", "--output", "TYPE", target.Path).CombinedOutput()
	if d := cmp.Diff("gpt gpt PMBR", strings.Join(strings.Fields(string(out)), " ")); d != "" || err != nil {
		t.Error(d, err)
	}
}

// TestAnOldTableAtTheEndIsGone leaves only the second GPT of a disk.
func TestAnOldTableAtTheEndIsGone(t *testing.T) {
	target := smallest(t)
	if _, err := target.writeTable(oldTable(target.Size)); err != nil {
		t.Fatal(err)
	}
	put(t, target.f, make([]byte, 64<<10), 0)
	if got := Look(target.f, target.Size).Words; len(got) == 0 {
		t.Fatal("the second table is not seen")
	}
	if err := target.wipe(nil, nil); err != nil {
		t.Fatal(err)
	}
	if got := Look(target.f, target.Size).Words; got != nil {
		t.Errorf("there is still %q", got)
	}
}

func TestWipeKeepsWhatItMust(t *testing.T) {
	target := smallest(t)
	whole := bytes.Repeat([]byte{1}, 8<<20)
	put(t, target.f, whole, 0)
	kept := []place{{0, tableSize}, {3 << 20, 3<<20 + bootSector}}
	places := []place{{-5, 7}, {target.Size - 1, target.Size + 9}, {9, 3}, {1 << 62, 1<<62 + 5}}
	if err := target.wipe(places, kept); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(whole))
	if _, err := target.f.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	clear(whole[tableSize : 3<<20])
	clear(whole[3<<20+bootSector : wipedHead])
	if !bytes.Equal(got, whole) {
		t.Error("something else was cleared")
	}
}
