package imagecache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Fields of a qcow2 header (QEMU, docs/interop/qcow2.txt), as offsets in
// bytes.
const (
	qcowMagic      = "QFI\xfb"
	offsetBacking  = 8
	offsetSize     = 24
	offsetFeatures = 72 // incompatible features; since version 3
	headerLength   = 104
	// externalData is the feature bit of an image whose data is elsewhere.
	externalData = 1 << 2
)

// CheckHeader tells why an image of a format must not be given to QEMU: a
// guest's image is never trusted to name another file. It returns the virtual
// size in bytes.
func CheckHeader(path, format string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if format != "qcow2" {
		return st.Size(), nil
	}
	var h [headerLength]byte
	n, err := io.ReadFull(f, h[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, fmt.Errorf("%w: read its header: %w", ErrImage, err)
	}
	version := binary.BigEndian.Uint32(h[4:])
	size := binary.BigEndian.Uint64(h[offsetSize:])
	switch {
	case n < offsetFeatures || string(h[:4]) != qcowMagic:
		return 0, fmt.Errorf("%w: it is no qcow2", ErrImage)
	case version != 2 && version != 3:
		return 0, fmt.Errorf("%w: its qcow2 version is %d; allowed: 2, 3", ErrImage, version)
	case binary.BigEndian.Uint64(h[offsetBacking:]) != 0:
		return 0, fmt.Errorf("%w: it has a backing file", ErrImage)
	case version == 3 && n < headerLength:
		return 0, fmt.Errorf("%w: its header is cut off", ErrImage)
	case version == 3 && binary.BigEndian.Uint64(h[offsetFeatures:])&externalData != 0:
		return 0, fmt.Errorf("%w: its data is in another file", ErrImage)
	case size > 1<<50:
		return 0, fmt.Errorf("%w: its virtual size is %d bytes; allowed: up to 1 PiB", ErrImage, size)
	}
	return int64(size), nil
}
