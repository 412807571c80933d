package luks

import (
	"fmt"
	"strings"

	"github.com/anatol/devmapper.go"
)

// Map shows the clear text of a volume on a device of that many bytes as a
// device of the device mapper. The modules dm-crypt, xts and aes must be
// loaded. Freed blocks are not told to the disk: which blocks are free says
// something about what is in the others. The UUID is as cryptsetup makes it.
func (v Volume) Map(name, device string, size int64) error {
	if size <= v.offset {
		return fmt.Errorf("LUKS2 volume: its data begin at %d, and %s ends at %d", v.offset, device, size)
	}
	table := devmapper.CryptTable{
		Length:        uint64(size-v.offset) / sector * sector,
		BackendDevice: device,
		BackendOffset: uint64(v.offset),
		Encryption:    cipherName,
		Key:           v.key,
		SectorSize:    sector,
	}
	if err := devmapper.CreateAndLoad(name, "CRYPT-LUKS2-"+strings.ReplaceAll(v.UUID, "-", "")+"-"+name, 0, table); err != nil {
		return fmt.Errorf("open %s with dm-crypt: %w", device, err)
	}
	return nil
}
