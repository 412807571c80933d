package powercut

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// An extent is a stretch of the disk that one request has changed.
type extent struct {
	at, size int64 // bytes
	data     int64 // byte of the log, or one of the places below
}

// Places of data that are not in the log.
const (
	zeroes  = -1 // was discarded
	nowhere = -2 // was not written since the recording began
)

// A State is what a disk holds at one moment. It is an io.ReaderAt.
//
// Reading looks through all requests for the newest, which is fast enough for
// the few thousand of an installation.
type State struct {
	Size    int64 // bytes
	log     *Log
	base    *os.File // what was on the disk before the recording; nil: zeroes
	extents []extent // oldest first
}

// apply carries out the part of an entry from one of its sectors to another.
func (s *State) apply(e Entry, from, to int64) {
	from, to = from*s.log.Sector, to*s.log.Sector
	x := extent{at: e.At + from, size: to - from, data: e.data + from}
	if e.Kind == Discard {
		x.data = zeroes
	}
	if x.size > 0 && (e.Kind == Discard || e.Kind == Write) {
		s.extents = append(s.extents, x)
	}
}

// ReadAt reads what the disk holds.
func (s *State) ReadAt(b []byte, off int64) (int, error) {
	want := len(b)
	if off < 0 || off >= s.Size {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), s.Size-off)]
	for done := int64(0); done < int64(len(b)); {
		size, place := s.find(off+done, int64(len(b))-done)
		if err := s.fetch(b[done:done+size], off+done, place); err != nil {
			return int(done), err
		}
		done += size
	}
	if len(b) < want {
		return len(b), io.EOF
	}
	return want, nil
}

// find says where the bytes from off on are, and how many of them, up to most,
// are there together.
func (s *State) find(off, most int64) (size, place int64) {
	end := off + most
	for i := len(s.extents) - 1; i >= 0; i-- {
		x := s.extents[i]
		if x.at > off {
			end = min(end, x.at)
			continue
		}
		if x.at+x.size <= off {
			continue
		}
		place = x.data
		if place >= 0 {
			place += off - x.at
		}
		return min(end, x.at+x.size) - off, place
	}
	return end - off, nowhere
}

func (s *State) fetch(b []byte, off, place int64) error {
	switch {
	case place >= 0:
		_, err := s.log.file.ReadAt(b, place)
		return err
	case place == nowhere && s.base != nil:
		_, err := s.base.ReadAt(b, off)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return err
	}
	clear(b)
	return nil
}

// saveChunk is how much is copied at once, in bytes.
const saveChunk = 1 << 20

// Save writes size bytes from off on into a new file with holes in it.
func (s *State) Save(file string, off, size int64) (err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("save a disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(size); err != nil {
		return fmt.Errorf("save a disk: %w", err)
	}
	buf := make([]byte, saveChunk)
	for done := int64(0); done < size; {
		b := buf[:min(saveChunk, size-done)]
		if n := s.hole(off+done, size-done); n > 0 {
			done += n
			continue
		}
		if _, err := s.ReadAt(b, off+done); err != nil {
			return fmt.Errorf("save a disk: %w", err)
		}
		if !allZero(b) {
			if _, err := f.WriteAt(b, done); err != nil {
				return fmt.Errorf("save a disk: %w", err)
			}
		}
		done += int64(len(b))
	}
	return nil
}

// hole tells how many bytes from off on, up to most, are known to be zeroes
// without reading them.
func (s *State) hole(off, most int64) int64 {
	n, place := s.find(off, most)
	switch {
	case place == zeroes, place == nowhere && s.base == nil:
		return n
	case place == nowhere:
		next, err := s.base.Seek(off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return n // none up to the end
		}
		if err == nil && next > off {
			return min(n, next-off)
		}
	}
	return 0
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
