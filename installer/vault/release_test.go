package vault

import (
	"fmt"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// TestInsideRelease leaves a vault open on an array of md on the disk, as an
// installer finds it that is started by kexec, and frees the disk.
func TestInsideRelease(t *testing.T) {
	insideOnly(t)
	array := assemble(t, partition)
	if _, err := Make(plan.Plan{Encrypt: plan.CryptTPM}, array); err != nil {
		t.Fatal(err)
	}
	if target, err := disk.Open(partition); err == nil {
		t.Errorf("a disk that is in use was given out: %v", target.Close())
	}
	if err := disk.Release("/sys", partition); err != nil {
		t.Fatal(err)
	}
	target, err := disk.Open(partition)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Error(err)
	}
}

// Requests and structures of linux/raid/md_u.h.
const (
	setArrayInfo = 0x40480923
	addNewDisk   = 0x40140921
	runArray     = 0x400c0930
)

type arrayInfo struct {
	Major, Minor, Patch, Created, Level, Size, Disks, RaidDisks, MDMinor, NotPersistent int32
	Updated, State, Active, Working, Failed, Spare, Layout, Chunk                       int32
}

type diskInfo struct{ Number, Major, Minor, RaidDisk, State int32 }

// assemble makes an array of RAID 1 with that one disk, without a superblock.
func assemble(t *testing.T, device string) string {
	t.Helper()
	const array, blockMajor = "/dev/md0", 9
	if err := unix.Mknod(array, unix.S_IFBLK|0o600, int(unix.Mkdev(blockMajor, 0))); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(array, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(device, &st); err != nil {
		t.Fatal(err)
	}
	const activeInSync = 1<<1 | 1<<2
	info := arrayInfo{Minor: 90, Level: 1, Size: 60 << 10, Disks: 1, RaidDisks: 1, NotPersistent: 1, State: 1, Active: 1, Working: 1}
	member := diskInfo{Major: int32(unix.Major(st.Rdev)), Minor: int32(unix.Minor(st.Rdev)), State: activeInSync}
	none := [3]int32{}
	for _, c := range []struct {
		request uintptr
		arg     unsafe.Pointer
	}{{setArrayInfo, unsafe.Pointer(&info)}, {addNewDisk, unsafe.Pointer(&member)}, {runArray, unsafe.Pointer(&none)}} {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), c.request, uintptr(c.arg)); errno != 0 {
			t.Fatal(fmt.Errorf("request %x: %w", c.request, errno))
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return array
}
