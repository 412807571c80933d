package fabric

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// pairBuffer is the socket buffer that is asked for, in bytes; the kernel may
// give less.
const pairBuffer = 4 << 20

// Pair returns the two ends of a new connection: ours for a port or a reader
// in this process, theirs for a child to inherit. The caller closes both.
func Pair() (ours net.Conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	file, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer file.Close()
	for _, fd := range fds {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, pairBuffer); err != nil {
			theirs.Close()
			return nil, nil, fmt.Errorf("socket pair: buffer of %d bytes: %w", pairBuffer, err)
		}
	}
	if ours, err = net.FileConn(file); err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	return ours, theirs, nil
}
