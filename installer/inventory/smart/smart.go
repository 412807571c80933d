// Package smart asks disks how they feel: ATA SMART, the NVMe health log and
// the log pages of SCSI. Commands are made and answers read by functions of
// bytes; one file each talks to the kernel (SG_IO and the NVMe ioctl).
//
// Linux only, and as root. It imports installer/plan only. It changes nothing
// on the disk.
package smart

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Timeout is how long a disk may take for one command. The kernel holds it to
// that.
const Timeout = 5 * time.Second

// errSilent means that the disk, or what is between it and us, has no such
// thing as health.
var errSilent = errors.New("the disk says nothing of its health")

// Read asks a disk. path is its block device and bus how it is attached, in
// the words of [plan.Disk]. A disk that has nothing to say is an error.
func Read(path, bus string) (*plan.Health, error) {
	if bus != "nvme" && bus != "ata" && bus != "scsi" {
		return nil, fmt.Errorf("%s: bus %q: %w", path, bus, errSilent) // USB adapters are known to hang
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("health: %w", err)
	}
	defer f.Close()
	var h *plan.Health
	switch bus {
	case "nvme":
		h, err = nvme(nvmeDevice{f})
	case "ata":
		h, err = ata(sgDevice{f})
	default:
		h, err = scsi(sgDevice{f})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: health: %w", path, err)
	}
	return h, nil
}
