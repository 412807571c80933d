package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// sector is the block size of ISO 9660, in bytes.
const sector = 2048

// maxDirectory bounds a directory that we read, in bytes.
const maxDirectory = 1 << 20

// An extent is where a file is on the medium, in bytes.
type extent struct{ at, size int64 }

// errNotThere means that a directory has no such name.
var errNotThere = errors.New("not on the medium")

// find looks for a file by its path, in any case of letters. It reads the
// primary volume descriptor and the directories on the way (ECMA-119).
func find(r io.ReaderAt, volume string, path ...string) (extent, error) {
	pvd := make([]byte, sector)
	if _, err := r.ReadAt(pvd, 16*sector); err != nil {
		return extent{}, fmt.Errorf("volume descriptor: %w", err)
	}
	if pvd[0] != 1 || string(pvd[1:6]) != "CD001" {
		return extent{}, errors.New("not an ISO 9660 image; allowed: a Cairn ISO, or the disk that it was written to")
	}
	if label := strings.TrimRight(string(pvd[40:72]), " "); label != volume {
		return extent{}, fmt.Errorf("the volume is labelled %q; allowed: %q", label, volume)
	}
	at, _, _ := record(pvd[156:190])
	for i, name := range path {
		var err error
		if at, err = lookup(r, at, name); err != nil {
			return extent{}, fmt.Errorf("/%s: %w", strings.Join(path[:i+1], "/"), err)
		}
	}
	return at, nil
}

// record takes a directory record apart: extent, name without version, and
// how long the record is. A length of 0 means that it is none.
func record(b []byte) (extent, string, int) {
	if len(b) < 34 || b[0] < 34 || int(b[0]) > len(b) || 33+int(b[32]) > int(b[0]) {
		return extent{}, "", 0
	}
	e := extent{at: int64(binary.LittleEndian.Uint32(b[2:])) * sector, size: int64(binary.LittleEndian.Uint32(b[10:]))}
	name, _, _ := strings.Cut(string(b[33:33+int(b[32])]), ";")
	return e, name, int(b[0])
}

func lookup(r io.ReaderAt, dir extent, name string) (extent, error) {
	if dir.size > maxDirectory {
		return extent{}, fmt.Errorf("a directory of %d bytes; allowed: at most %d", dir.size, maxDirectory)
	}
	all := make([]byte, dir.size)
	if _, err := r.ReadAt(all, dir.at); err != nil {
		return extent{}, err
	}
	// Records do not cross sectors; the rest of a sector is zeros.
	for part := range sectors(all) {
		for {
			e, found, n := record(part)
			if n == 0 {
				break
			}
			if strings.EqualFold(found, name) {
				return e, nil
			}
			part = part[n:]
		}
	}
	return extent{}, errNotThere
}

// sectors cuts a directory into its sectors.
func sectors(all []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for buf := bytes.NewBuffer(all); buf.Len() > 0; {
			if !yield(buf.Next(sector)) {
				return
			}
		}
	}
}
