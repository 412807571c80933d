package smart

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A commander carries a SCSI command to the disk and reads into data. sense
// is what the disk says about it, empty when it had nothing to say.
type commander interface {
	Do(command, data []byte) (sense []byte, err error)
}

// errRefused means that the disk does not do the command.
var errRefused = errors.New("the disk refuses the command")

// An sgDevice is a disk behind SG_IO.
type sgDevice struct{ f *os.File }

// sgHeader is struct sg_io_hdr of include/scsi/sg.h.
type sgHeader struct {
	interfaceID  int32
	direction    int32
	commandLen   byte
	senseSpace   byte
	_            uint16 // pieces of a scattered transfer
	dataLen      uint32
	data         *byte
	command      *byte
	sense        *byte
	timeout      uint32 // ms
	_            uint32 // flags
	_            int32  // id
	_            uintptr
	status       byte
	_            byte
	_            byte
	senseLen     byte
	hostStatus   uint16
	driverStatus uint16
	_            int32 // bytes not transferred
	_            uint32
	_            uint32
	_            uint32
}

const (
	ioctlSG        = 0x2285
	sgNoTransfer   = -1
	sgFromDevice   = -3
	senseSize      = 64
	checkCondition = 0x02
	driverSense    = 0x08
)

// Do carries a command out.
func (d sgDevice) Do(command, data []byte) ([]byte, error) {
	sense := make([]byte, senseSize)
	h := &sgHeader{interfaceID: 'S', direction: sgNoTransfer, commandLen: byte(len(command)), senseSpace: senseSize,
		command: &command[0], sense: &sense[0], timeout: uint32(Timeout.Milliseconds())}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(h.command)
	pin.Pin(h.sense)
	if len(data) > 0 {
		h.direction, h.dataLen, h.data = sgFromDevice, uint32(len(data)), &data[0]
		pin.Pin(h.data)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, d.f.Fd(), ioctlSG, uintptr(unsafe.Pointer(h))); errno != 0 {
		return nil, errno
	}
	return h.outcome(sense)
}

// outcome tells what came of a command. A check condition is no error yet: an
// ATA disk answers by it.
func (h *sgHeader) outcome(sense []byte) ([]byte, error) {
	if h.hostStatus != 0 || h.driverStatus&^driverSense != 0 {
		return nil, fmt.Errorf("host status %#x, driver status %#x", h.hostStatus, h.driverStatus)
	}
	if h.status != 0 && h.status != checkCondition {
		return nil, fmt.Errorf("status %#x", h.status)
	}
	if h.status == checkCondition && h.senseLen == 0 {
		return nil, errRefused
	}
	return sense[:min(int(h.senseLen), len(sense))], nil
}
