package luks

import (
	"crypto/aes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"

	"github.com/google/uuid"
	"golang.org/x/crypto/xts"
)

// KeySize is the size of a key, in bytes. All of them are random.
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

// A New says what a new volume is.
type New struct {
	UUID string // of [NewUUID]
	// Keys open it, each alone. All are random: the first has [KeySize] bytes,
	// a second one is text with as much in it, for people.
	Keys  [][]byte
	Token Token // says where the first key is
}

// maxKeys is how many keys of ours there is room for.
const maxKeys = 2

func (n *New) check() error {
	switch _, err := uuid.Parse(n.UUID); {
	case err != nil:
		return fmt.Errorf("a volume %q; allowed: a UUID", n.UUID)
	case len(n.Keys) == 0 || len(n.Keys) > maxKeys:
		return fmt.Errorf("%d keys; allowed: 1 to %d", len(n.Keys), maxKeys)
	}
	for i, k := range n.Keys {
		if len(k) < KeySize || i == 0 && len(k) != KeySize {
			return fmt.Errorf("a key of %d bytes; allowed: %d", len(k), KeySize)
		}
	}
	return nil
}

// NewUUID is the name of a new volume.
func NewUUID() (string, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("UUID of a volume: %w", err)
	}
	return id.String(), nil
}

// Format makes a volume on a device. What was there is lost. random is
// crypto/rand's; the volume is good once the caller has synced the device: of
// the two headers the first is written last.
func Format(d Disk, n New, random io.Reader) error {
	if err := n.check(); err != nil {
		return err
	}
	secret := make([]byte, volumeKeySize)
	h := binaryHeader{Version: 2, Size: headerSize, Sequence: 1}
	digestSalt := make([]byte, saltSize)
	for _, b := range [][]byte{secret, digestSalt, h.Salt[:]} {
		if _, err := io.ReadFull(random, b); err != nil {
			return fmt.Errorf("format: random numbers: %w", err)
		}
	}
	copy(h.UUID[:], n.UUID)
	copy(h.Algorithm[:], hashName)
	n.Token.Slots = []string{"0"}
	sum, err := derive(secret, digestSalt, sha256.Size)
	if err != nil {
		return err
	}
	m := metadata{
		Slots:    map[string]keySlot{},
		Tokens:   map[string]Token{"0": n.Token},
		Segments: map[string]segment{"0": {Type: "crypt", Offset: dataAt, Size: "dynamic", Encryption: cipherName, SectorSize: sector}},
		Config:   config{JSONSize: headerSize - binarySize, SlotsSize: dataAt - slotsAt},
	}
	var names []string
	for i, key := range n.Keys {
		name := strconv.Itoa(i)
		if m.Slots[name], err = newSlot(d, slotsAt+int64(i)*slotSize, key, secret, random); err != nil {
			return err
		}
		names = append(names, name)
	}
	m.Digests = map[string]digest{"0": {Type: "pbkdf2", Slots: names, Segments: []string{"0"},
		Salt: digestSalt, Digest: sum, Hash: hashName, Iterations: iterations}}
	return writeHeaders(d, h, m)
}

// newSlot makes a place with the volume's key for one of ours.
func newSlot(d io.WriterAt, at int64, key, secret []byte, random io.Reader) (keySlot, error) {
	s := keySlot{Type: "luks2", KeySize: volumeKeySize,
		AF:   antiForens{Type: "luks1", Stripes: stripes, Hash: hashName},
		Area: area{Type: "raw", Offset: at, Size: slotSize, Encryption: cipherName, KeySize: volumeKeySize},
		KDF:  kdf{Type: "pbkdf2", Hash: hashName, Iterations: iterations, Salt: make([]byte, saltSize)}}
	if _, err := io.ReadFull(random, s.KDF.Salt); err != nil {
		return s, fmt.Errorf("format: random numbers: %w", err)
	}
	return s, writeSlot(d, at, key, s.KDF.Salt, secret, random)
}

// writeSlot puts the volume's key, split and encrypted, into its place.
func writeSlot(d io.WriterAt, at int64, key, salt, secret []byte, random io.Reader) error {
	pieces, err := split(secret, random)
	if err != nil {
		return err
	}
	if err := crypt(pieces, key, salt, (*xts.Cipher).Encrypt); err != nil {
		return err
	}
	if _, err := d.WriteAt(pieces, at); err != nil {
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
