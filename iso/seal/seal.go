package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/rackfile"
)

// Where the area is on a medium.
const (
	Volume     = "CAIRN-ISO"
	ReleaseDir = "cairn"
)

// A Medium is an image, or the disk that it was written to.
type Medium struct {
	file *os.File
	area extent
}

// Open opens a medium, to be changed or only read.
func Open(name string, change bool) (*Medium, error) {
	mode := os.O_RDONLY
	if change {
		mode = os.O_RDWR
	}
	f, err := os.OpenFile(name, mode, 0)
	if err != nil {
		return nil, err
	}
	area, err := find(f, Volume, ReleaseDir, rackfile.AreaName)
	switch {
	case errors.Is(err, errNotThere):
		err = fmt.Errorf("%s: no place to seal a rack.yaml into (%w); allowed: an ISO with it, of this version or later", name, err)
	case err != nil:
		err = fmt.Errorf("%s: %w", name, err)
	case area.size != rackfile.AreaSize:
		err = fmt.Errorf("%s: the place for rack.yaml has %d bytes; allowed: %d", name, area.size, rackfile.AreaSize)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Medium{file: f, area: area}, nil
}

// Close closes the medium.
func (m *Medium) Close() error { return m.file.Close() }

// Text is the rack.yaml that is sealed in; empty where there is none.
func (m *Medium) Text() ([]byte, error) {
	b := make([]byte, m.area.size)
	if _, err := m.file.ReadAt(b, m.area.at); err != nil {
		return nil, fmt.Errorf("%s: %w", m.file.Name(), err)
	}
	return rackfile.Unseal(b)
}

// Seal checks a rack.yaml as the installer would and puts it into the medium,
// in place of one that is there. No text takes out what is there. It is
// durable when the function returns; the warnings are what a person should
// know of a rack.yaml that works.
func (m *Medium) Seal(text []byte) ([]plan.Warning, error) {
	if text == nil {
		return nil, m.write(nil)
	}
	warnings, err := check(text)
	if err != nil {
		return nil, err
	}
	return warnings, m.write(text)
}

// write replaces the area and reads it back.
func (m *Medium) write(text []byte) error {
	area, err := rackfile.Seal(text)
	if err != nil {
		return err
	}
	if _, err := m.file.WriteAt(area, m.area.at); err != nil {
		return fmt.Errorf("%s: %w", m.file.Name(), err)
	}
	if err := m.file.Sync(); err != nil {
		return fmt.Errorf("%s: %w", m.file.Name(), err)
	}
	got := make([]byte, len(area))
	if _, err := m.file.ReadAt(got, m.area.at); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: read back: %w", m.file.Name(), err)
	}
	if !bytes.Equal(got, area) {
		return fmt.Errorf("%s: what is read back is not what was written: the medium is damaged or write-protected", m.file.Name())
	}
	return nil
}

// check refuses what no machine would take.
func check(text []byte) ([]plan.Warning, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, &rackfile.SealError{Field: "the text", Value: "empty", Allowed: "a rack.yaml with at least a line, like ssh_keys: [...]; unseal takes one out"}
	}
	filled, err := rackfile.Example().Text(text)
	if err != nil {
		return nil, err
	}
	_, warnings, err := plan.CheckRack(filled)
	return warnings, err
}
