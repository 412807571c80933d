package disk

import (
	"encoding/binary"
	"fmt"
)

// Places in GRUB's images (GRUB: include/grub/i386/pc/boot.h, diskboot.S).
const (
	codeSize    = 440   // boot code of an MBR; disk signature and table follow
	kernelLBA   = 0x5c  // boot.img: 8 bytes, first sector of core.img
	driveCheck  = 0x66  // boot.img: 2 bytes, a jump that GRUB's installer overwrites on hard disks
	blockList   = 0x1f4 // core.img, first sector: 8 bytes, its second sector
	bootSector  = 512
	coreMinimum = 2 * bootSector
)

// WriteBootCode puts GRUB's boot.img into the MBR, without touching the
// partition table, and core.img into the BIOS boot partition, each told in
// which sector the next one is. start and size are the partition's, in bytes.
func (t *Target) WriteBootCode(boot, core []byte, start, size int64) error {
	if len(boot) != bootSector {
		return fmt.Errorf("boot.img has %d bytes; allowed: %d", len(boot), bootSector)
	}
	if len(core) < coreMinimum || int64(len(core)) > size {
		return fmt.Errorf("core.img has %d bytes; allowed: %d to %d", len(core), coreMinimum, size)
	}
	boot, core = patchBoot(boot, start), patchCore(core, start)
	if err := t.writeAt(core, start, "core.img"); err != nil {
		return err
	}
	return t.writeAt(boot[:codeSize], 0, "boot.img")
}

func patchBoot(boot []byte, coreAt int64) []byte {
	b := append([]byte(nil), boot...)
	binary.LittleEndian.PutUint64(b[kernelLBA:], uint64(coreAt/bootSector))
	b[driveCheck], b[driveCheck+1] = 0x90, 0x90
	return b
}

func patchCore(core []byte, coreAt int64) []byte {
	c := append([]byte(nil), core...)
	binary.LittleEndian.PutUint64(c[blockList:], uint64(coreAt/bootSector)+1)
	return c
}
