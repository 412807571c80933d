package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"

	"github.com/google/uuid"
)

// A Table is a partition table as found on a disk.
type Table struct {
	Kind    string // GPT or MBR
	GUID    string // of the disk, GPT only
	Entries []Entry
}

// An Entry is one partition that was found. Start and Size are bytes.
type Entry struct {
	Number int
	Name   string // GPT only
	Start  int64
	Size   int64
}

var errNoTable = errors.New("no partition table")

// ReadTable reads the GPT or else the MBR of a disk, for sectors of 512 or
// 4096 bytes. It looks only: nothing that it returns is trusted to fit.
func ReadTable(r io.ReaderAt, size int64) (Table, error) {
	for _, sector := range []int64{512, 4096} {
		if t, ok := readGPT(r, size, sector, sector); ok {
			return t, nil
		}
		if t, ok := readGPT(r, size, size-sector, sector); ok {
			return t, nil
		}
	}
	return readMBR(r)
}

func readGPT(r io.ReaderAt, size, at, sector int64) (Table, bool) {
	t := Table{Kind: "GPT"}
	if !hasAt(r, size, at, "EFI PART") {
		return t, false
	}
	h := make([]byte, 92)
	if _, err := r.ReadAt(h, at); err != nil {
		return t, false
	}
	t.GUID = guid(h[56:72])
	first := int64(binary.LittleEndian.Uint64(h[72:])) * sector
	count, each := binary.LittleEndian.Uint32(h[80:]), binary.LittleEndian.Uint32(h[84:])
	if count > 1024 || each < 128 || each > 4096 || first < 0 || first+int64(count)*int64(each) > size {
		return t, true // a table, but not one that we can list
	}
	b := make([]byte, int(count)*int(each))
	if _, err := r.ReadAt(b, first); err != nil {
		return t, true
	}
	for i := range int(count) {
		if e, ok := gptEntry(b[i*int(each):], sector); ok {
			e.Number = i + 1
			t.Entries = append(t.Entries, e)
		}
	}
	return t, true
}

func gptEntry(b []byte, sector int64) (Entry, bool) {
	if binary.LittleEndian.Uint64(b) == 0 && binary.LittleEndian.Uint64(b[8:]) == 0 {
		return Entry{}, false
	}
	first, last := int64(binary.LittleEndian.Uint64(b[32:])), int64(binary.LittleEndian.Uint64(b[40:]))
	units := make([]uint16, 36)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[56+2*i:])
	}
	name, _, _ := strings.Cut(string(utf16.Decode(units)), "\x00")
	return Entry{Name: name, Start: first * sector, Size: (last - first + 1) * sector}, true
}

// guid prints the mixed-endian form of a GPT.
func guid(b []byte) string {
	u := uuid.UUID{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6]}
	copy(u[8:], b[8:16])
	return u.String()
}

func readMBR(r io.ReaderAt) (Table, error) {
	t := Table{Kind: "MBR"}
	b := make([]byte, 512)
	if _, err := r.ReadAt(b, 0); err != nil {
		return t, fmt.Errorf("partition table: %w", err)
	}
	if b[510] != 0x55 || b[511] != 0xaa {
		return t, errNoTable
	}
	for i := range 4 {
		e := b[446+16*i:]
		count := int64(binary.LittleEndian.Uint32(e[12:]))
		if e[0]&0x7f != 0 {
			return t, errNoTable // a boot sector of a file system, not a table
		}
		if e[4] != 0 && count > 0 {
			t.Entries = append(t.Entries, Entry{Number: i + 1, Start: int64(binary.LittleEndian.Uint32(e[8:])) * 512, Size: count * 512})
		}
	}
	if len(t.Entries) == 0 {
		return t, errNoTable
	}
	return t, nil
}
