package rackfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// The area is a file of fixed size on the installation medium, which a
// rack.yaml is written into without making the medium anew. Its first
// [headerSize] bytes are lines of text, padded with zeros:
//
//	CAIRN-RACK-AREA 1
//	size 1234
//	sha256 <hex of the text>
//
// The text follows, padded with zeros. An empty area has size 0.
const (
	AreaName = "rack.sealed" // beside the release on the medium
	AreaSize = 64 << 10      // bytes
	MaxText  = AreaSize - headerSize

	headerSize = 512
	areaMagic  = "CAIRN-RACK-AREA 1\n"
)

// A SealError says what is wrong with an area or with what should go there.
type SealError struct {
	Field   string
	Value   string
	Allowed string
}

func (e *SealError) Error() string {
	return fmt.Sprintf("sealed rack.yaml: %s is %s; allowed: %s", e.Field, e.Value, e.Allowed)
}

// Seal makes an area with that text in it; no text makes an empty one.
func Seal(text []byte) ([]byte, error) {
	if len(text) > MaxText {
		return nil, &SealError{"size", fmt.Sprintf("%d bytes", len(text)), fmt.Sprintf("at most %d", MaxText)}
	}
	sum := sha256.Sum256(text)
	area := make([]byte, AreaSize)
	copy(area, fmt.Sprintf("%ssize %d\nsha256 %x\n", areaMagic, len(text), sum))
	copy(area[headerSize:], text)
	return area, nil
}

// Unseal is the text in an area; empty where there is none. An area that was
// written in part, or changed, is refused.
func Unseal(area []byte) ([]byte, error) {
	if len(area) != AreaSize {
		return nil, &SealError{"the area", fmt.Sprintf("%d bytes long", len(area)), fmt.Sprintf("%d", AreaSize)}
	}
	head, ok := strings.CutPrefix(string(bytes.TrimRight(area[:headerSize], "\x00")), areaMagic)
	if !ok {
		return nil, &SealError{"the header", strconv.Quote(string(area[:len(areaMagic)])), strconv.Quote(areaMagic)}
	}
	lines := strings.Split(head, "\n")
	if len(lines) != 3 || lines[2] != "" {
		return nil, &SealError{"the header", strconv.Quote(head), "a line with size and one with sha256"}
	}
	size, err := strconv.Atoi(strings.TrimPrefix(lines[0], "size "))
	if err != nil || size < 0 || size > MaxText {
		return nil, &SealError{"size", strconv.Quote(lines[0]), fmt.Sprintf("size and a number from 0 to %d", MaxText)}
	}
	text := area[headerSize : headerSize+size]
	sum := sha256.Sum256(text)
	if want := "sha256 " + hex.EncodeToString(sum[:]); lines[1] != want {
		return nil, &SealError{"sha256", strconv.Quote(lines[1]), want + ", that of the text; seal it again"}
	}
	if size == 0 {
		return nil, nil
	}
	return bytes.Clone(text), nil
}
