package slot

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/anatol/devmapper.go"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// Mapping is an open dm-verity device.
type Mapping struct {
	Name string
	Path string // /dev/dm-0
}

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
	info, err := devmapper.InfoByName(name)
	if err != nil {
		return m, errors.Join(fmt.Errorf("open %s with dm-verity: %w", device, err), m.Close())
	}
	m.Path = filepath.Join("/dev", fmt.Sprintf("dm-%d", unix.Minor(info.DevNo)))
	if err := ensureNode(m.Path, info.DevNo); err != nil {
		return m, errors.Join(err, m.Close())
	}
	return m, nil
}

// Close removes the mapping. Nothing may use it any more.
func (m Mapping) Close() error {
	if err := devmapper.Remove(m.Name); err != nil {
		return fmt.Errorf("close dm-verity %s: %w", m.Name, err)
	}
	return nil
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

// controlNode makes /dev/mapper/control if nobody else does.
func controlNode() error {
	const node = "/dev/mapper/control"
	if _, err := os.Stat(node); err == nil {
		return nil
	}
	b, err := os.ReadFile("/sys/class/misc/device-mapper/dev")
	if err != nil {
		return fmt.Errorf("the device mapper is not there (module dm-mod): %w", err)
	}
	var major, minor uint32
	if _, err := fmt.Sscanf(strings.TrimSpace(string(b)), "%d:%d", &major, &minor); err != nil {
		return fmt.Errorf("device mapper: %w", err)
	}
	if err := os.MkdirAll("/dev/mapper", 0o755); err != nil {
		return fmt.Errorf("device mapper: %w", err)
	}
	return mknod(node, unix.S_IFCHR|0o600, unix.Mkdev(major, minor))
}

// ensureNode makes a block device node that devtmpfs has not made.
func ensureNode(path string, dev uint64) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err == nil && st.Rdev == dev {
		return nil
	}
	return mknod(path, unix.S_IFBLK|0o600, dev)
}

func mknod(path string, mode uint32, dev uint64) error {
	if err := unix.Mknod(path, mode, int(dev)); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make device node %s: %w", path, err)
	}
	return nil
}
