package slot

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cairn-cloud/cairn/installer/luks"
)

// OpenCrypt shows the clear text of a volume, which was opened with its key,
// on a device of that name. The modules dm-mod, dm-crypt and xts must be
// loaded.
func OpenCrypt(name, device string, v luks.Volume) (Mapping, error) {
	m := Mapping{Name: name}
	if err := controlNode(); err != nil {
		return Mapping{}, err
	}
	size, err := sizeOf(device)
	if err != nil {
		return Mapping{}, err
	}
	if err := v.Map(name, device, size); err != nil {
		return Mapping{}, err
	}
	if err := m.show(); err != nil {
		return Mapping{}, err
	}
	return m, nil
}

// sizeOf is the size of a block device in bytes.
func sizeOf(device string) (_ int64, err error) {
	f, err := os.Open(device)
	if err != nil {
		return 0, fmt.Errorf("size of a device: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("size of %s: %w", device, err)
	}
	return size, nil
}
