package smart

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// An admin carries an admin command to an NVMe controller and reads into
// data.
type admin interface {
	Do(opcode byte, cdw10 uint32, data []byte) error
}

// Admin commands of the NVM Express base specification.
const (
	nvmeGetLog    = 0x02
	nvmeHealthLog = 0x02
	nvmeLogSize   = 512
	allNamespaces = 0xffffffff
)

// nvme asks an NVMe disk for its SMART / health information log.
func nvme(d admin) (*plan.Health, error) {
	b := make([]byte, nvmeLogSize)
	const dwords = nvmeLogSize/4 - 1
	if err := d.Do(nvmeGetLog, dwords<<16|nvmeHealthLog, b); err != nil {
		return nil, err
	}
	return nvmeHealth(b), nil
}

// nvmeWarnings are the bits of the first byte, from the lowest.
var nvmeWarnings = [...]string{
	"its spare blocks are nearly used up",
	"it is too hot or too cold",
	"its errors make it unreliable",
	"it can only be read any more",
	"its protection against power cuts has failed",
	"its persistent memory can only be read any more",
}

const kelvin = 273 // of 0 degrees Celsius

// nvmeHealth reads the log. Its counters have 16 bytes; the lower eight are
// enough for any disk.
func nvmeHealth(b []byte) *plan.Health {
	var why []string
	for i, w := range nvmeWarnings {
		if b[0]>>i&1 != 0 {
			why = append(why, w)
		}
	}
	h := &plan.Health{
		OK: b[0] == 0, Why: strings.Join(why, "; "),
		Wear:   int(b[5]),
		Hours:  int64(binary.LittleEndian.Uint64(b[128:])),
		Errors: int64(binary.LittleEndian.Uint64(b[160:])),
	}
	if t := int(binary.LittleEndian.Uint16(b[1:])); t > kelvin {
		h.Celsius = t - kelvin
	}
	if !h.OK && h.Why == "" {
		h.Why = fmt.Sprintf("it warns of something (%#02x)", b[0])
	}
	return h
}

// An nvmeDevice is a disk behind NVME_IOCTL_ADMIN_CMD.
type nvmeDevice struct{ f *os.File }

// nvmeCommand is struct nvme_passthru_cmd of include/uapi/linux/nvme_ioctl.h.
type nvmeCommand struct {
	opcode    byte
	_         byte
	_         uint16
	namespace uint32
	_         [2]uint32
	_         uint64 // metadata
	data      *byte
	_         uint32
	dataLen   uint32
	cdw10     uint32
	_         [5]uint32
	timeout   uint32 // ms
	result    uint32
}

const ioctlAdmin = 3<<30 | unsafe.Sizeof(nvmeCommand{})<<16 | 'N'<<8 | 0x41

// Do carries a command out. A refusal is an error with the controller's
// status.
func (d nvmeDevice) Do(opcode byte, cdw10 uint32, data []byte) error {
	c := &nvmeCommand{opcode: opcode, namespace: allNamespaces, cdw10: cdw10,
		data: &data[0], dataLen: uint32(len(data)), timeout: uint32(Timeout.Milliseconds())}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(c.data)
	status, _, errno := unix.Syscall(unix.SYS_IOCTL, d.f.Fd(), ioctlAdmin, uintptr(unsafe.Pointer(c)))
	if errno != 0 {
		return errno
	}
	if status != 0 {
		return fmt.Errorf("NVMe status %#x: %w", status, errRefused)
	}
	return nil
}
