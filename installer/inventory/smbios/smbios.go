// Package smbios reads the firmware's description of the machine that Linux
// passes on in /sys/firmware/dmi/tables/DMI (DMTF DSP0134), as far as the
// files below /sys/class/dmi do not have it: the management controller.
//
// It imports nothing of ours and reads no files.
package smbios

import (
	"bytes"
	"encoding/binary"
)

// A Structure is one entry of the table.
type Structure struct {
	Type   byte
	Handle uint16
	// Data is the formatted part with its header of four bytes, so that
	// offsets are those of the specification.
	Data    []byte
	Strings []string // number 1 first
}

// Types of structures. End is the last one of a table.
const (
	TypeIPMI          = 38
	TypeHostInterface = 42
	typeEnd           = 127
)

// headerLen is type, length and handle, in bytes.
const headerLen = 4

// Parse takes a table apart. What comes after damage is left out: firmware
// writes these tables, and not always well.
func Parse(table []byte) []Structure {
	var all []Structure
	for len(table) >= headerLen {
		size := int(table[1])
		if size < headerLen || size > len(table) {
			return all
		}
		s := Structure{Type: table[0], Handle: binary.LittleEndian.Uint16(table[2:]), Data: table[:size]}
		rest, ok := s.strings(table[size:])
		if !ok {
			return all
		}
		all = append(all, s)
		if s.Type == typeEnd {
			return all
		}
		table = rest
	}
	return all
}

// strings reads the texts behind the formatted part: each ends in a zero, the
// last one in two, and none at all is two zeros as well.
func (s *Structure) strings(from []byte) (rest []byte, ok bool) {
	end := bytes.Index(from, []byte{0, 0})
	if end < 0 {
		return nil, false
	}
	for _, text := range bytes.Split(from[:end], []byte{0}) {
		if len(text) > 0 {
			s.Strings = append(s.Strings, string(text))
		}
	}
	return from[end+2:], true
}

// Find lists the structures of a type.
func Find(all []Structure, kind byte) []Structure {
	var out []Structure
	for _, s := range all {
		if s.Type == kind {
			out = append(out, s)
		}
	}
	return out
}
