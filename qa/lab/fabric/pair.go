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
	for _, fd := range fds {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, pairBuffer); err != nil {
			unix.Close(fds[0])
			unix.Close(fds[1])
			return nil, nil, fmt.Errorf("socket pair: buffer of %d bytes: %w", pairBuffer, err)
		}
	}
	file := os.NewFile(uintptr(fds[0]), "ours")
	defer file.Close()
	ours, err = net.FileConn(file)
	if err != nil {
		unix.Close(fds[1])
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	return ours, os.NewFile(uintptr(fds[1]), "theirs"), nil
}
