package luks

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/xts"
)

// ErrKey means that a key does not open a volume.
var ErrKey = errors.New("the key does not open the volume")

// A Volume is one that was opened. Its key is secret.
type Volume struct {
	UUID   string
	offset int64 // bytes, of the data
	key    []byte
}

// TokenOf says where the key of the volume on a device is, and which UUID the
// volume has; the error is [ErrNone] where there is no volume.
func TokenOf(r io.ReaderAt) (Token, string, error) {
	h, m, err := read(r)
	if err != nil {
		return Token{}, "", err
	}
	return m.Tokens["0"], text(h.UUID[:]), nil
}

// Open opens a volume that [Format] made.
func Open(r io.ReaderAt, key []byte) (Volume, error) {
	h, m, err := read(r)
	if err != nil {
		return Volume{}, err
	}
	if err := m.check(); err != nil {
		return Volume{}, err
	}
	slot, sum := m.Slots["0"], m.Digests["0"]
	pieces := make([]byte, volumeKeySize*stripes)
	if _, err := r.ReadAt(pieces, slot.Area.Offset); err != nil {
		return Volume{}, fmt.Errorf("read the key slot: %w", err)
	}
	if err := crypt(pieces, key, slot.KDF.Salt, (*xts.Cipher).Decrypt); err != nil {
		return Volume{}, err
	}
	secret := merge(pieces, volumeKeySize)
	got, err := derive(secret, sum.Salt, len(sum.Digest))
	if err != nil {
		return Volume{}, err
	}
	if subtle.ConstantTimeCompare(got, sum.Digest) != 1 {
		return Volume{}, ErrKey
	}
	return Volume{UUID: text(h.UUID[:]), offset: m.Segments["0"].Offset, key: secret}, nil
}

// check tells whether the volume is of the one kind that Format makes.
func (m *metadata) check() error {
	slot, seg, sum := m.Slots["0"], m.Segments["0"], m.Digests["0"]
	switch {
	case slot.Area.Encryption != cipherName || seg.Encryption != cipherName || slot.KeySize != volumeKeySize || slot.Area.KeySize != volumeKeySize:
		return fmt.Errorf("LUKS2 volume: cipher %q with %d bytes; allowed: %s with %d", seg.Encryption, slot.KeySize, cipherName, volumeKeySize)
	case slot.KDF.Type != "pbkdf2" || slot.KDF.Hash != hashName || slot.KDF.Iterations != iterations || slot.AF.Hash != hashName || slot.AF.Stripes != stripes:
		return fmt.Errorf("LUKS2 volume: key by %s of %s, %d rounds; allowed: pbkdf2 of %s, %d", slot.KDF.Type, slot.KDF.Hash, slot.KDF.Iterations, hashName, iterations)
	case sum.Type != "pbkdf2" || sum.Hash != hashName || sum.Iterations != iterations || len(sum.Digest) == 0:
		return fmt.Errorf("LUKS2 volume: digest by %s of %s, %d rounds; allowed: pbkdf2 of %s, %d", sum.Type, sum.Hash, sum.Iterations, hashName, iterations)
	case seg.SectorSize != sector || seg.Tweak != 0 || seg.Offset < slotsAt || seg.Offset%sector != 0 || slot.Area.Offset < slotsAt:
		return fmt.Errorf("LUKS2 volume: data at %d in sectors of %d, keys at %d; allowed: behind the headers, sectors of %d", seg.Offset, seg.SectorSize, slot.Area.Offset, sector)
	}
	return nil
}
