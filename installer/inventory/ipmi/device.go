package ipmi

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A BMC is the machine's own, behind a device file of the kernel's driver.
type BMC struct {
	f       *os.File
	timeout time.Duration
	next    int // number of the next message
}

// Open opens a device file like /dev/ipmi0. timeout is how long each answer
// may take.
func Open(path string, timeout time.Duration) (*BMC, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("BMC: %w", err)
	}
	return &BMC{f: f, timeout: timeout}, nil
}

// Close closes the device file.
func (b *BMC) Close() error { return b.f.Close() }

// Structures of the kernel, include/uapi/linux/ipmi.h.
type (
	kernelAddress struct {
		kind    int32
		channel int16
		_       [2]byte // unit number, padding
	}
	kernelMessage struct {
		netFn, command byte
		length         uint16
		data           *byte
	}
	kernelRequest struct {
		address       *kernelAddress
		addressLength uint32
		id            int
		message       kernelMessage
	}
	kernelReceive struct {
		kind          int32
		address       *kernelAddress
		addressLength uint32
		id            int
		message       kernelMessage
	}
)

const (
	systemInterface = 0x0c // kind of address
	bmcChannel      = 0x0f
	answerToUs      = 1   // kind of what is received
	maxAnswer       = 272 // IPMI_MAX_MSG_LENGTH
)

// ioctl numbers: direction, size, the driver's letter, number.
const (
	ioctlSend    = 2<<30 | unsafe.Sizeof(kernelRequest{})<<16 | 'i'<<8 | 13
	ioctlReceive = 3<<30 | unsafe.Sizeof(kernelReceive{})<<16 | 'i'<<8 | 11
)

// errLate means that the BMC did not answer in time.
var errLate = errors.New("the BMC does not answer")

// Ask sends a request and waits for its answer.
func (b *BMC) Ask(r Request) ([]byte, error) {
	b.next++
	if err := b.send(r, b.next); err != nil {
		return nil, fmt.Errorf("BMC: send: %w", err)
	}
	for end := time.Now().Add(b.timeout); ; {
		if err := b.wait(time.Until(end)); err != nil {
			return nil, fmt.Errorf("BMC: command %#02x:%#02x: %w", r.NetFn, r.Command, err)
		}
		id, answer, err := b.receive()
		if err != nil {
			return nil, fmt.Errorf("BMC: receive: %w", err)
		}
		if id != b.next || len(answer) == 0 {
			continue // late answer to an earlier request
		}
		if answer[0] != 0 {
			return nil, CodeError(answer[0])
		}
		return answer[1:], nil
	}
}

func (b *BMC) send(r Request, id int) error {
	to := &kernelAddress{kind: systemInterface, channel: bmcChannel}
	q := &kernelRequest{address: to, addressLength: uint32(unsafe.Sizeof(*to)), id: id,
		message: kernelMessage{netFn: r.NetFn, command: r.Command, length: uint16(len(r.Data))}}
	if len(r.Data) > 0 {
		q.message.data = &r.Data[0]
	}
	return b.control(uint(ioctlSend), unsafe.Pointer(q), to, q.message.data)
}

// receive returns the next answer with its completion code; it has none for
// messages of other kinds.
func (b *BMC) receive() (id int, answer []byte, err error) {
	from, buf := new(kernelAddress), make([]byte, maxAnswer)
	q := &kernelReceive{address: from, addressLength: uint32(unsafe.Sizeof(*from)),
		message: kernelMessage{length: maxAnswer, data: &buf[0]}}
	if err := b.control(uint(ioctlReceive), unsafe.Pointer(q), from, &buf[0]); err != nil {
		return 0, nil, err
	}
	if q.kind != answerToUs {
		return 0, nil, nil
	}
	return q.id, buf[:min(int(q.message.length), len(buf))], nil
}

// control makes one ioctl call. What the argument points to stays where it is
// meanwhile.
func (b *BMC) control(number uint, arg unsafe.Pointer, address *kernelAddress, data *byte) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(address)
	if data != nil {
		pin.Pin(data)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, b.f.Fd(), uintptr(number), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// wait waits until there is something to receive.
func (b *BMC) wait(patience time.Duration) error {
	for patience > 0 {
		began := time.Now()
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(b.f.Fd()), Events: unix.POLLIN}}, int(patience.Milliseconds())+1)
		if err == nil && n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		patience -= time.Since(began)
	}
	return errLate
}
