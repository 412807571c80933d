package luks

import (
	"crypto/aes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/google/uuid"
	"golang.org/x/crypto/xts"
)

// KeySize is the size of a key, in bytes. All of them must be random.
const KeySize = 32

// What [Format] makes and [Open] takes.
const (
	cipherName    = "aes-xts-plain64"
	volumeKeySize = 64 // two keys of AES-256
	sector        = 512
	iterations    = 1000 // PBKDF2; the fewest that cryptsetup takes
	saltSize      = 32
	hashName      = "sha256"
	slotSize      = (volumeKeySize*stripes + 4095) / 4096 * 4096
)

// A Disk is where a volume is made: a partition, or a file in tests.
type Disk interface {
	io.ReaderAt
	io.WriterAt
}

// Format makes a volume on a device and returns its UUID. What was there is
// lost. random is crypto/rand's; the volume is good once the caller has synced
// the device: of the two headers the first is written last.
func Format(d Disk, key []byte, token Token, random io.Reader) (string, error) {
	if len(key) != KeySize {
		return "", fmt.Errorf("a key of %d bytes; allowed: %d", len(key), KeySize)
	}
	secret := make([]byte, volumeKeySize)
	h := binaryHeader{Version: 2, Size: headerSize, Sequence: 1}
	slotSalt, digestSalt, id := make([]byte, saltSize), make([]byte, saltSize), uuid.UUID{}
	for _, b := range [][]byte{secret, slotSalt, digestSalt, id[:], h.Salt[:]} {
		if _, err := io.ReadFull(random, b); err != nil {
			return "", fmt.Errorf("format: random numbers: %w", err)
		}
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // RFC 9562, version 4
	copy(h.UUID[:], id.String())
	copy(h.Algorithm[:], hashName)

	token.Slots = []string{"0"}
	m := metadata{
		Slots: map[string]keySlot{"0": {Type: "luks2", KeySize: volumeKeySize,
			AF:   antiForens{Type: "luks1", Stripes: stripes, Hash: hashName},
			Area: area{Type: "raw", Offset: slotsAt, Size: slotSize, Encryption: cipherName, KeySize: volumeKeySize},
			KDF:  kdf{Type: "pbkdf2", Hash: hashName, Iterations: iterations, Salt: slotSalt}}},
		Tokens:   map[string]Token{"0": token},
		Segments: map[string]segment{"0": {Type: "crypt", Offset: dataAt, Size: "dynamic", Encryption: cipherName, SectorSize: sector}},
		Config:   config{JSONSize: headerSize - binarySize, SlotsSize: dataAt - slotsAt},
	}
	sum, err := derive(secret, digestSalt, sha256.Size)
	if err != nil {
		return "", err
	}
	m.Digests = map[string]digest{"0": {Type: "pbkdf2", Slots: []string{"0"}, Segments: []string{"0"},
		Salt: digestSalt, Digest: sum, Hash: hashName, Iterations: iterations}}
	if err := writeSlot(d, key, slotSalt, secret, random); err != nil {
		return "", err
	}
	return id.String(), writeHeaders(d, h, m)
}

// writeSlot puts the volume's key, split and encrypted, into its place.
func writeSlot(d io.WriterAt, key, salt, secret []byte, random io.Reader) error {
	pieces, err := split(secret, random)
	if err != nil {
		return err
	}
	if err := crypt(pieces, key, salt, (*xts.Cipher).Encrypt); err != nil {
		return err
	}
	if _, err := d.WriteAt(pieces, slotsAt); err != nil {
		return fmt.Errorf("write the key slot: %w", err)
	}
	return nil
}

func writeHeaders(d io.WriterAt, h binaryHeader, m metadata) error {
	for _, c := range []struct {
		magic string
		at    int64
	}{{magicSecond, headerSize}, {magicFirst, 0}} {
		copy(h.Magic[:], c.magic)
		h.Offset = uint64(c.at)
		b, err := encode(h, m)
		if err != nil {
			return err
		}
		if _, err := d.WriteAt(b, c.at); err != nil {
			return fmt.Errorf("write the LUKS2 header: %w", err)
		}
	}
	return nil
}

// crypt runs the cipher of the key slot over its sectors, in place.
func crypt(b, key, salt []byte, do func(c *xts.Cipher, to, from []byte, sector uint64)) error {
	k, err := derive(key, salt, volumeKeySize)
	if err != nil {
		return err
	}
	c, err := xts.NewCipher(aes.NewCipher, k)
	if err != nil {
		return fmt.Errorf("key slot: %w", err)
	}
	for i := 0; i < len(b); i += sector {
		do(c, b[i:i+sector], b[i:i+sector], uint64(i/sector))
	}
	return nil
}

func derive(key, salt []byte, size int) ([]byte, error) {
	k, err := pbkdf2.Key(sha256.New, string(key), salt, iterations, size)
	if err != nil {
		return nil, fmt.Errorf("PBKDF2: %w", err)
	}
	return k, nil
}
