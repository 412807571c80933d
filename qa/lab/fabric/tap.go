package fabric

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A tap is the kernel's end of a cable: a network interface of this network
// namespace, as a connection for a [Port].
type tap struct {
	file  *os.File
	frame []byte // room for one, with its length before it
	rest  []byte // of frame, that was not read yet
}

// Tap makes a network interface with that name in the network namespace of
// the calling thread, which needs CAP_NET_ADMIN there. It lives as long as the
// connection. It joins what the kernel has, a program in that namespace, say,
// to the switch; up and its address are the caller's to set.
func Tap(name string) (io.ReadWriteCloser, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("tap %s: /dev/net/tun: %w", name, err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd) //nolint:errcheck // nothing was done with it
		return nil, fmt.Errorf("tap %s: %w", name, err)
	}
	// The file waits in the runtime's poller, since it does not block.
	return &tap{file: os.NewFile(uintptr(fd), name), frame: make([]byte, lengthLen+maxFrame)}, nil
}

// Read returns what the kernel sends, in the format of the wire.
func (t *tap) Read(b []byte) (int, error) {
	if len(t.rest) == 0 {
		n, err := t.file.Read(t.frame[lengthLen:])
		if err != nil {
			return 0, err
		}
		binary.BigEndian.PutUint32(t.frame, uint32(n))
		t.rest = t.frame[:lengthLen+n]
	}
	n := copy(b, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// Write gives whole frames in the format of the wire to the kernel. One that
// it does not take, because the interface is down (EIO), is lost.
func (t *tap) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		frame, after, ok, err := next(rest)
		if err == nil && !ok {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return len(b) - len(rest), fmt.Errorf("tap %s: %w", t.file.Name(), err)
		}
		if _, err := t.file.Write(frame); err != nil && !errors.Is(err, unix.EIO) {
			return len(b) - len(rest), err
		}
		rest = after
	}
	return len(b), nil
}

// Close removes the interface.
func (t *tap) Close() error { return t.file.Close() }
