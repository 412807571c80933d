package disk

import (
	"errors"
	"fmt"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// ErrNotCutOff means that a disk holds something else than an installation
// that was cut off.
var ErrNotCutOff = errors.New("it holds no installation that was cut off")

// passOn is boot code that hands the boot back to the BIOS, which goes on to
// its next device (BIOS Boot Specification 1.01, 6.7: INT 18h).
func passOn() []byte {
	return []byte{
		0xcd, 0x18, // int 18h
		0xf4, 0xeb, 0xfd, // halt: hlt; jmp halt
	}
}

// Disarm keeps firmware from starting from a disk whose installation was cut
// off after its boot loaders were written: a BIOS is sent on to its next
// device, and UEFI finds no file system on the ESP. Without that a machine
// that tries its disk first would never come to the network again. The
// installation can still be taken up.
func Disarm(path string) (err error) {
	t, err := Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if !Look(t.f, t.Size).Unfinished {
		return fmt.Errorf("disk %s: %w", path, ErrNotCutOff)
	}
	if err := t.writeAt(passOn(), 0, "boot code that passes on"); err != nil {
		return err
	}
	table, err := ReadTable(t.f, t.Size)
	if err != nil {
		return fmt.Errorf("disk %s: %w", path, err)
	}
	if esp := table.find(plan.LabelESP); esp != nil {
		return t.writeAt(make([]byte, sectorAlign), esp.Start, "zeroes over the start of the ESP")
	}
	return nil
}
