package slot

import (
	"encoding/hex"
	"fmt"

	"github.com/anatol/devmapper.go"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// OpenVerity maps a slot's device through dm-verity, read-only: every block
// is checked against the root hash of the signed manifest when it is read.
// The device-mapper and dm-verity modules must be loaded.
func OpenVerity(name, device string, v manifest.Verity) (Mapping, error) {
	m := Mapping{Name: name}
	if err := checkHex(v); err != nil {
		return m, err
	}
	if err := controlNode(); err != nil {
		return m, err
	}
	block := uint64(v.BlockSize)
	table := devmapper.VerityTable{
		Length:        uint64(v.DataBlocks) * block,
		HashType:      1,
		DataDevice:    device,
		HashDevice:    device,
		DataBlockSize: block, HashBlockSize: block,
		NumDataBlocks:  uint64(v.DataBlocks),
		HashStartBlock: uint64(v.HashOffset)/block + 1, // behind the superblock
		Algorithm:      "sha256",
		Digest:         v.RootHash,
		Salt:           v.Salt,
	}
	if err := devmapper.CreateAndLoad(name, "CRYPT-VERITY-"+name, devmapper.ReadOnlyFlag, table); err != nil {
		return m, fmt.Errorf("open %s with dm-verity: %w", device, err)
	}
	return m, m.show()
}

// checkHex keeps anything but digits out of the kernel's table line.
func checkHex(v manifest.Verity) error {
	if b, err := hex.DecodeString(v.RootHash); err != nil || len(b) != 32 {
		return fmt.Errorf("manifest: verity.root_hash is %q; allowed: 64 hex digits", v.RootHash)
	}
	if _, err := hex.DecodeString(v.Salt); err != nil || v.Salt == "" {
		return fmt.Errorf("manifest: verity.salt is %q; allowed: hex digits", v.Salt)
	}
	return nil
}
