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

// Open opens a volume that [Format] made, with any of its keys.
func Open(r io.ReaderAt, key []byte) (Volume, error) {
	h, m, err := read(r)
	if err != nil {
		return Volume{}, err
	}
	if err := m.check(); err != nil {
		return Volume{}, err
	}
	err = ErrKey
	for _, name := range m.Digests["0"].Slots {
		var secret []byte
		if secret, err = openSlot(r, m.Slots[name], m.Digests["0"], key); err == nil {
			return Volume{UUID: text(h.UUID[:]), offset: m.Segments["0"].Offset, key: secret}, nil
		}
		if !errors.Is(err, ErrKey) {
			break
		}
	}
	return Volume{}, err
}

// openSlot is the volume's key in a slot, if the key opens that.
func openSlot(r io.ReaderAt, slot keySlot, sum digest, key []byte) ([]byte, error) {
	pieces := make([]byte, volumeKeySize*stripes)
	if _, err := r.ReadAt(pieces, slot.Area.Offset); err != nil {
		return nil, fmt.Errorf("read the key slot: %w", err)
	}
	if err := crypt(pieces, key, slot.KDF.Salt, (*xts.Cipher).Decrypt); err != nil {
		return nil, err
	}
	secret := merge(pieces, volumeKeySize)
	got, err := derive(secret, sum.Salt, len(sum.Digest))
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(got, sum.Digest) != 1 {
		return nil, ErrKey
	}
	return secret, nil
}

// check tells whether the volume is of the one kind that Format makes.
func (m *metadata) check() error {
	seg, sum := m.Segments["0"], m.Digests["0"]
	if n := len(sum.Slots); n == 0 || n > maxKeys {
		return fmt.Errorf("LUKS2 volume: %d keys; allowed: 1 to %d", n, maxKeys)
	}
	for _, name := range sum.Slots {
		if err := m.Slots[name].check(); err != nil {
			return err
		}
	}
	switch {
	case seg.Encryption != cipherName:
		return fmt.Errorf("LUKS2 volume: cipher %q; allowed: %s", seg.Encryption, cipherName)
	case sum.Type != "pbkdf2" || sum.Hash != hashName || sum.Iterations != iterations || len(sum.Digest) == 0:
		return fmt.Errorf("LUKS2 volume: digest by %s of %s, %d rounds; allowed: pbkdf2 of %s, %d", sum.Type, sum.Hash, sum.Iterations, hashName, iterations)
	case seg.SectorSize != sector || seg.Tweak != 0 || seg.Offset < slotsAt || seg.Offset%sector != 0:
		return fmt.Errorf("LUKS2 volume: data at %d in sectors of %d; allowed: behind the headers, sectors of %d", seg.Offset, seg.SectorSize, sector)
	}
	return nil
}

func (s keySlot) check() error {
	switch {
	case s.Area.Encryption != cipherName || s.KeySize != volumeKeySize || s.Area.KeySize != volumeKeySize:
		return fmt.Errorf("LUKS2 volume: key slot for %q with %d bytes; allowed: %s with %d", s.Area.Encryption, s.KeySize, cipherName, volumeKeySize)
	case s.KDF.Type != "pbkdf2" || s.KDF.Hash != hashName || s.KDF.Iterations != iterations || s.AF.Hash != hashName || s.AF.Stripes != stripes:
		return fmt.Errorf("LUKS2 volume: key by %s of %s, %d rounds; allowed: pbkdf2 of %s, %d", s.KDF.Type, s.KDF.Hash, s.KDF.Iterations, hashName, iterations)
	case s.Area.Offset < slotsAt:
		return fmt.Errorf("LUKS2 volume: keys at %d; allowed: behind the headers", s.Area.Offset)
	}
	return nil
}
