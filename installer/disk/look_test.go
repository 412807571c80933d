package disk

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// made runs a tool on a fresh sparse file and looks at what it made.
func made(t *testing.T, size int64, argv ...string) (Contents, *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if len(argv) > 0 {
		tool, err := exec.LookPath(argv[0])
		if err != nil {
			t.Skipf("%s is not installed", argv[0])
		}
		if out, err := exec.Command(tool, append(argv[1:], path)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", argv, err, out)
		}
	}
	return Look(f, size), f
}

// TestLookKnowsWhatToolsMake asks real tools where they are installed.
func TestLookKnowsWhatToolsMake(t *testing.T) {
	for _, c := range []struct {
		name string
		argv []string
		want []string
	}{
		{"blank", nil, nil},
		{"ext4", []string{"mkfs.ext4", "-q", "-F", "-L", "home"}, []string{`ext file system "home"`}},
		{"xfs", []string{"mkfs.xfs", "-q", "-L", "data"}, []string{`XFS file system "data"`}},
		{"btrfs", []string{"mkfs.btrfs", "-q", "-L", "pool"}, []string{`btrfs file system "pool"`}},
		{"swap", []string{"mkswap", "-L", "swap0"}, []string{`swap space "swap0"`}},
		{"gpt", []string{"sgdisk", "-n", "1:0:+10M", "-c", "1:EFI", "-n", "2:0:0", "-c", "2:root"}, []string{"GPT with 2 partitions: EFI, root"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := made(t, 512<<20, c.argv...)
			if d := cmp.Diff(c.want, got.Words); d != "" || got.Installed != "" {
				t.Error(d, got.Installed)
			}
		})
	}
}

// TestLookKnowsSignatures writes each magic where it belongs.
func TestLookKnowsSignatures(t *testing.T) {
	const size = 4 << 20
	for _, c := range []struct {
		at    int64
		magic string
		want  string
	}{
		{0, "LUKS\xba\xbe", "LUKS encrypted volume"},
		{512 + 24, "LVM2 001", "LVM physical volume"},
		{4096, "\xfc\x4e\x2b\xa9", "Linux RAID member"},
		{size - 65536, "\xfc\x4e\x2b\xa9", "Linux RAID member"},
		{size - 8192, "\xfc\x4e\x2b\xa9", "Linux RAID member"},
		{128<<10 + 3<<10, "\x0c\xb1\xba\x00\x00\x00\x00\x00", "ZFS pool member"},
		{0, "bluestore block device", "Ceph OSD"},
		{3, "-FVE-FS-", "BitLocker volume"},
		{3, "NTFS    ", "NTFS file system"},
		{700 << 10, "x", "data of an unknown kind at its start"},
	} {
		b := make([]byte, size)
		copy(b[c.at:], c.magic)
		if d := cmp.Diff([]string{c.want}, Look(bytes.NewReader(b), size).Words); d != "" {
			t.Errorf("%q at %d: %s", c.magic, c.at, d)
		}
	}
	if got := Look(bytes.NewReader(bytes.Repeat([]byte{0xff}, size)), size).Words; got != nil {
		t.Errorf("a disk of ones is %v, want blank", got)
	}
}

func TestLookIntoPartitions(t *testing.T) {
	_, f := made(t, 64<<20, "sgdisk", "-n", "1:2048:+20M", "-c", "1:home")
	if _, err := f.WriteAt([]byte("XFSB"), 2048*512); err != nil {
		t.Fatal(err)
	}
	got := Look(f, 64<<20).Words
	want := []string{"GPT with 1 partitions: home", "XFS file system on partition 1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// The backup table is found when the first is gone.
	if _, err := f.WriteAt(make([]byte, 34*512), 0); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, Look(f, 64<<20).Words); d != "" {
		t.Error(d)
	}
}

// FuzzLook feeds disks that want to break the probes.
func FuzzLook(f *testing.F) {
	head := make([]byte, 4096)
	copy(head[512:], "EFI PART")
	f.Add(head)
	f.Add([]byte(strings.Repeat("\x55\xaa", 512)))
	f.Fuzz(func(_ *testing.T, b []byte) { Look(bytes.NewReader(b), int64(len(b))) })
}

func TestOpenOfNothing(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestLabelOfConfigVolumes makes the volumes that people put a rack.yaml on.
func TestLabelOfConfigVolumes(t *testing.T) {
	for _, c := range []struct {
		name string
		size int64
		argv []string
		want string
	}{
		{"floppy", 1440 << 10, []string{"mkfs.vfat", "-n", "CAIRN-CONF"}, "FAT file system"},
		{"stick", 64 << 20, []string{"mkfs.vfat", "-F", "32", "-n", "CAIRN-CONF"}, "FAT file system"},
		{"ext4", 64 << 20, []string{"mkfs.ext4", "-q", "-F", "-L", "CAIRN-CONF"}, "ext file system"},
		{"iso", 64 << 20, []string{"xorriso", "-as", "mkisofs", "-quiet", "-V", "CAIRN-CONF", "-r", "../plan/testdata", "-o"}, "ISO 9660 file system"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, f := made(t, c.size, c.argv...)
			size, err := f.Seek(0, 2)
			if err != nil {
				t.Fatal(err)
			}
			if kind, label := Label(f, size); kind != c.want || label != "CAIRN-CONF" {
				t.Errorf("found %q with label %q, want %q with CAIRN-CONF", kind, label, c.want)
			}
		})
	}
}
