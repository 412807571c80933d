package vault

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"

	"github.com/cairn-cloud/cairn/installer/luks"
	"github.com/cairn-cloud/cairn/installer/slot"
)

// derivedToken is the name of a key that follows from that of the data
// partition, among the tokens of LUKS2.
const derivedToken = "cairn-derived"

// MakeFurther makes the device for a file system on a partition of a further
// disk: the partition itself, or a volume under that name. Its key follows from
// the one of the data partition, so whoever opens that opens it.
func (v *Volume) MakeFurther(name, device string) (slot.Mapping, error) {
	if v.key == nil {
		return slot.Mapping{Path: device}, nil
	}
	id, err := luks.NewUUID()
	if err != nil {
		return slot.Mapping{}, err
	}
	key, err := v.derive(id)
	if err != nil {
		return slot.Mapping{}, err
	}
	n := luks.New{UUID: id, Keys: [][]byte{key}, Token: luks.Token{Type: derivedToken}}
	if v.recovery != "" {
		n.Keys = append(n.Keys, []byte(v.recovery))
	}
	if err := format(device, n); err != nil {
		return slot.Mapping{}, fmt.Errorf("encrypt %s: %w", device, err)
	}
	return openCrypt(name, device, key)
}

// errBare means that somebody has put another partition there.
var errBare = errors.New("it is not encrypted, and what this machine made on it was")

// OpenFurther opens what MakeFurther made.
func (v *Volume) OpenFurther(name, device string) (_ slot.Mapping, err error) {
	if v.key == nil {
		return slot.Mapping{Path: device}, nil
	}
	f, err := os.Open(device)
	if err != nil {
		return slot.Mapping{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, id, err := luks.TokenOf(f)
	if errors.Is(err, luks.ErrNone) {
		return slot.Mapping{}, fmt.Errorf("%s: %w", device, errBare)
	}
	if err != nil {
		return slot.Mapping{}, fmt.Errorf("%s: %w", device, err)
	}
	key, err := v.derive(id)
	if err != nil {
		return slot.Mapping{}, err
	}
	return openCrypt(name, device, key)
}

// derive is the key of the volume with that UUID (RFC 5869).
func (v *Volume) derive(id string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, v.key, nil, "cairn further disk "+id, luks.KeySize)
	if err != nil {
		return nil, fmt.Errorf("key of a further disk: %w", err)
	}
	return key, nil
}
