package luks

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// stripes is how many pieces a key is split into on the disk: to lose any of
// them is to lose the key (LUKS On-Disk Format 1.2.3, 2.4).
const stripes = 4000

// split spreads a key over stripes times its size.
func split(key []byte, random io.Reader) ([]byte, error) {
	n := len(key)
	out := make([]byte, n*stripes)
	if _, err := io.ReadFull(random, out[:n*(stripes-1)]); err != nil {
		return nil, fmt.Errorf("split the key: %w", err)
	}
	d := gather(out[:n*(stripes-1)], n)
	for i := range key {
		out[n*(stripes-1)+i] = key[i] ^ d[i]
	}
	return out, nil
}

// merge is the key of n bytes that was split.
func merge(in []byte, n int) []byte {
	last := len(in) - n
	d := gather(in[:last], n)
	for i := range d {
		d[i] ^= in[last+i]
	}
	return d
}

// gather runs the hash over all stripes but the last.
func gather(in []byte, n int) []byte {
	d := make([]byte, n)
	for len(in) > 0 {
		for i := range d {
			d[i] ^= in[i]
		}
		diffuse(d)
		in = in[n:]
	}
	return d
}

// diffuse makes every bit of a stripe depend on all of its digest's block.
func diffuse(d []byte) {
	for i := 0; i*sha256.Size < len(d); i++ {
		block := d[i*sha256.Size : min((i+1)*sha256.Size, len(d))]
		sum := sha256.Sum256(append(binary.BigEndian.AppendUint32(nil, uint32(i)), block...))
		copy(block, sum[:])
	}
}
