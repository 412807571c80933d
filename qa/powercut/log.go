package powercut

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// The format of the record, that of the kernel's dm-log-writes (Linux:
// Documentation/admin-guide/device-mapper/log-writes.rst), which QEMU's
// blklogwrites writes: a superblock, then each entry's header and its data,
// each padded to a sector. All numbers are little endian.
const (
	logMagic    = 0x6a736677736872
	logVersion  = 1
	superLen    = 28 // magic, version, entries: 8 bytes each; sector size: 4
	headerLen   = 32 // sector, sectors, flags, length of data: 8 bytes each
	flagFlush   = 1
	flagFUA     = 2
	flagDiscard = 4
	flagMark    = 8
)

// Kind is what an entry did to the disk.
type Kind string

// The kinds of entries.
const (
	Write   Kind = "write"
	Flush   Kind = "flush"
	Discard Kind = "discard" // reads as zeroes afterwards
	Mark    Kind = "mark"    // did nothing
)

// An Entry is one request that a disk has carried out.
type Entry struct {
	Kind Kind
	At   int64 // byte of the disk
	Size int64 // bytes; 0 for flushes and marks
	data int64 // byte of the log where a write's data begin
}

// A Log is a record of all requests to one disk, in their order.
type Log struct {
	Entries []Entry
	Sector  int64 // bytes; what a disk writes whole or not at all
	file    *os.File
}

// Open reads the headers of a record. The caller closes the log when nothing
// reads from its states any more.
func Open(file string) (*Log, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("record of writes: %w", err)
	}
	l := &Log{file: f}
	if err := l.read(); err != nil {
		return nil, errors.Join(fmt.Errorf("record of writes %s: %w", file, err), f.Close())
	}
	return l, nil
}

// Close closes the record's file.
func (l *Log) Close() error { return l.file.Close() }

func (l *Log) read() error {
	var super [superLen]byte
	if _, err := l.file.ReadAt(super[:], 0); err != nil {
		return err
	}
	magic, version := binary.LittleEndian.Uint64(super[0:]), binary.LittleEndian.Uint64(super[8:])
	if magic != logMagic || version != logVersion {
		return fmt.Errorf("magic %#x, version %d; allowed: %#x, %d", magic, version, logMagic, logVersion)
	}
	count := binary.LittleEndian.Uint64(super[16:])
	l.Sector = int64(binary.LittleEndian.Uint32(super[24:]))
	if l.Sector < 512 || l.Sector > 4096 {
		return fmt.Errorf("sectors of %d bytes; allowed: 512 to 4096", l.Sector)
	}
	at := l.Sector
	for i := range count {
		e, next, err := l.entry(at)
		if err != nil {
			return fmt.Errorf("entry %d of %d: %w", i, count, err)
		}
		l.Entries = append(l.Entries, e)
		at = next
	}
	return nil
}

// entry reads the header at a byte of the log and says where the next one is.
func (l *Log) entry(at int64) (e Entry, next int64, err error) {
	var h [headerLen]byte
	if _, err := l.file.ReadAt(h[:], at); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return e, 0, err
	}
	at += l.Sector
	sector, sectors := binary.LittleEndian.Uint64(h[0:]), binary.LittleEndian.Uint64(h[8:])
	flags, length := binary.LittleEndian.Uint64(h[16:]), binary.LittleEndian.Uint64(h[24:])
	e = Entry{Kind: Write, At: int64(sector) * l.Sector, Size: int64(sectors) * l.Sector}
	switch {
	case flags&flagMark != 0:
		return Entry{Kind: Mark}, at + (int64(length)+l.Sector-1)/l.Sector*l.Sector, nil
	case flags&flagDiscard != 0:
		e.Kind = Discard
		return e, at, nil
	case e.Size == 0:
		return Entry{Kind: Flush}, at, nil
	case flags&(flagFlush|flagFUA) != 0:
		return e, 0, fmt.Errorf("a write with flags %#x; a virtio disk has none that are more than a write", flags)
	}
	e.data = at
	return e, at + e.Size, nil
}
