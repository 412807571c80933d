package luks

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrNone means that a device has no header of LUKS2.
var ErrNone = errors.New("no LUKS2 header")

// The binary header (2.1 of the specification): one sector of 4096 bytes, all
// numbers big-endian, in front of the JSON area.
const (
	magicFirst  = "LUKS\xba\xbe"
	magicSecond = "SKUL\xba\xbe"
	binarySize  = 4096
	headerSize  = 16384 // both, which is the smallest allowed
	slotsAt     = 2 * headerSize
	dataAt      = 16 << 20
)

type binaryHeader struct {
	Magic     [6]byte
	Version   uint16
	Size      uint64
	Sequence  uint64
	Label     [48]byte
	Algorithm [32]byte
	Salt      [64]byte
	UUID      [40]byte
	Subsystem [48]byte
	Offset    uint64
	_         [184]byte
	Checksum  [64]byte
}

// metadata is the JSON area (chapter 3). Numbers of 64 bits are strings in it.
type metadata struct {
	Slots    map[string]keySlot `json:"keyslots"`
	Tokens   map[string]Token   `json:"tokens"`
	Segments map[string]segment `json:"segments"`
	Digests  map[string]digest  `json:"digests"`
	Config   config             `json:"config"`
}

type keySlot struct {
	Type    string     `json:"type"`
	KeySize int        `json:"key_size"`
	AF      antiForens `json:"af"`
	Area    area       `json:"area"`
	KDF     kdf        `json:"kdf"`
}

type antiForens struct {
	Type    string `json:"type"`
	Stripes int    `json:"stripes"`
	Hash    string `json:"hash"`
}

type area struct {
	Type       string `json:"type"`
	Offset     int64  `json:"offset,string"`
	Size       int64  `json:"size,string"`
	Encryption string `json:"encryption"`
	KeySize    int    `json:"key_size"`
}

type kdf struct {
	Type       string `json:"type"`
	Hash       string `json:"hash"`
	Iterations int    `json:"iterations"`
	Salt       []byte `json:"salt"`
}

type segment struct {
	Type       string `json:"type"`
	Offset     int64  `json:"offset,string"`
	Size       string `json:"size"`
	Tweak      int64  `json:"iv_tweak,string"`
	Encryption string `json:"encryption"`
	SectorSize int64  `json:"sector_size"`
}

type digest struct {
	Type       string   `json:"type"`
	Slots      []string `json:"keyslots"`
	Segments   []string `json:"segments"`
	Salt       []byte   `json:"salt"`
	Digest     []byte   `json:"digest"`
	Hash       string   `json:"hash"`
	Iterations int      `json:"iterations"`
}

type config struct {
	JSONSize  int64 `json:"json_size,string"`
	SlotsSize int64 `json:"keyslots_size,string"`
}

// A Token says where the key of a volume is. Type is its name among all
// programs that know LUKS2; Data is nothing secret.
type Token struct {
	Type  string   `json:"type"`
	Slots []string `json:"keyslots"`
	Data  []byte   `json:"data,omitempty"`
}

// encode is one of the two copies of a header, with its checksum.
func encode(h binaryHeader, m metadata) ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("LUKS2 header: %w", err)
	}
	if len(text) >= headerSize-binarySize {
		return nil, fmt.Errorf("LUKS2 header: %d bytes of JSON; allowed: less than %d", len(text), headerSize-binarySize)
	}
	var b bytes.Buffer
	if err := binary.Write(&b, binary.BigEndian, h); err != nil {
		return nil, fmt.Errorf("LUKS2 header: %w", err)
	}
	out := make([]byte, headerSize)
	copy(out, b.Bytes())
	copy(out[binarySize:], text)
	sum := sha256.Sum256(out)
	copy(out[checksumAt:], sum[:])
	return out, nil
}

// checksumAt is the place of Checksum.
const checksumAt = 448

// read is the header of a device: the first copy, or the second where that is
// damaged.
func read(r io.ReaderAt) (binaryHeader, metadata, error) {
	h, m, err := readAt(r, 0, magicFirst)
	if err == nil {
		return h, m, nil
	}
	if h, m, again := readAt(r, headerSize, magicSecond); again == nil {
		return h, m, nil
	}
	return h, m, err
}

func readAt(r io.ReaderAt, at int64, magic string) (h binaryHeader, m metadata, err error) {
	b := make([]byte, headerSize)
	if _, err := r.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
		return h, m, fmt.Errorf("LUKS2 header: %w", err)
	}
	if err := binary.Read(bytes.NewReader(b), binary.BigEndian, &h); err != nil {
		return h, m, fmt.Errorf("LUKS2 header: %w", err)
	}
	switch {
	case string(h.Magic[:]) != magic:
		return h, m, ErrNone
	case h.Version != 2 || h.Size != headerSize || h.Offset != uint64(at) || text(h.Algorithm[:]) != "sha256":
		return h, m, fmt.Errorf("LUKS2 header: version %d, %d bytes, at %d, checksum %q; allowed: 2, %d, %d, sha256",
			h.Version, h.Size, h.Offset, text(h.Algorithm[:]), headerSize, at)
	}
	clear(b[checksumAt : checksumAt+len(h.Checksum)])
	if sum := sha256.Sum256(b); !bytes.Equal(sum[:], h.Checksum[:sha256.Size]) {
		return h, m, errors.New("LUKS2 header: it is damaged: its checksum is another")
	}
	if err := json.Unmarshal([]byte(text(b[binarySize:])), &m); err != nil {
		return h, m, fmt.Errorf("LUKS2 header: %w", err)
	}
	return h, m, nil
}

// text is what stands before the first zero byte.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
