package plan

import (
	"encoding/hex"
	"fmt"
	"math/bits"
)

// Bits is a set of chunks: chunk 0 is the lowest bit of the first byte. In
// JSON it is a string of hex digits. The zero value is the empty set.
type Bits []byte

// Has tells whether the set has chunk i.
func (b Bits) Has(i int) bool { return i >= 0 && i/8 < len(b) && b[i/8]&(1<<(i%8)) != 0 }

// Set adds chunk i, which is not negative.
func (b *Bits) Set(i int) {
	for len(*b) <= i/8 {
		*b = append(*b, 0)
	}
	(*b)[i/8] |= 1 << (i % 8)
}

// Clear takes chunk i out.
func (b Bits) Clear(i int) {
	if b.Has(i) {
		b[i/8] &^= 1 << (i % 8)
	}
}

// Count is how many chunks the set has.
func (b Bits) Count() int {
	n := 0
	for _, x := range b {
		n += bits.OnesCount8(x)
	}
	return n
}

// Clone is a copy that shares nothing.
func (b Bits) Clone() Bits { return append(Bits(nil), b...) }

// MarshalText writes hex digits.
func (b Bits) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, b), nil }

// UnmarshalText reads hex digits.
func (b *Bits) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("chunks %.40q; allowed: pairs of hex digits", text)
	}
	*b = raw
	return nil
}
