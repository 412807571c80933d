package main

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// credit is struct rand_pool_info of linux/random.h.
type credit struct {
	bits int32
	size int32
	data [sha256.Size]byte
}

// stirRandom tells the kernel that its random numbers are good enough.
//
// In an emulated machine without a random number generator the kernel
// collects for minutes before it hands out any. This guest keeps no secret:
// it needs numbers that differ from another guest's, for DHCP, and no more.
func stirRandom(mac net.HardwareAddr) {
	f, err := os.OpenFile("/dev/random", os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	c := credit{bits: 8 * sha256.Size, size: sha256.Size}
	c.data = sha256.Sum256(fmt.Appendf(nil, "%s %d", mac, time.Now().UnixNano()))
	// A container may not; its host's numbers are good already.
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&c)))
}
