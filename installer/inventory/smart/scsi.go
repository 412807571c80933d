package smart

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// SCSI commands (SPC-4, SBC-3) and log pages.
const (
	scsiInquiry  = 0x12
	scsiLogSense = 0x4d

	logWriteErrors    = 0x02
	logReadErrors     = 0x03
	logTemperature    = 0x0d
	logSolid          = 0x11
	logBackground     = 0x15
	logExceptions     = 0x2f
	totalUncorrected  = 0x0006 // parameter of the error pages
	percentageUsed    = 0x0001 // parameter of the solid state page
	failurePrediction = 0x5d   // additional sense code
	warning           = 0x0b   // additional sense code

	inquirySize = 36
	logSize     = 1024
)

// scsi asks a SCSI disk. One that is an ATA disk behind a SAS controller is
// asked as such.
func scsi(d commander) (*plan.Health, error) {
	b := make([]byte, inquirySize)
	if _, err := d.Do([]byte{scsiInquiry, 0, 0, 0, inquirySize, 0}, b); err != nil {
		return nil, err
	}
	if strings.TrimSpace(string(b[8:16])) == "ATA" {
		return ata(d)
	}
	p, err := logPage(d, logExceptions)
	if err != nil {
		return nil, err
	}
	verdict, ok := p[0]
	if !ok || len(verdict) < 2 {
		return nil, errSilent
	}
	h := exceptions(verdict)
	scsiFigures(d, h)
	return h, nil
}

// exceptions reads the parameter of the informational exceptions page:
// additional sense code, its qualifier and the temperature.
func exceptions(b []byte) *plan.Health {
	h := &plan.Health{OK: true}
	switch b[0] {
	case failurePrediction:
		h.OK, h.Why = false, "the disk expects to fail soon (informational exceptions)"
	case warning:
		h.OK, h.Why = false, fmt.Sprintf("the disk warns (sense code 0b/%02x)", b[1])
	}
	if len(b) > 2 && b[2] != 0xff {
		h.Celsius = int(b[2])
	}
	return h
}

// scsiFigures reads what there is of the other pages.
func scsiFigures(d commander, h *plan.Health) {
	for _, page := range []byte{logReadErrors, logWriteErrors} {
		if p, err := logPage(d, page); err == nil {
			h.Errors += number(p[totalUncorrected])
		}
	}
	if p, err := logPage(d, logTemperature); err == nil && len(p[0]) == 2 && p[0][1] != 0xff {
		h.Celsius = int(p[0][1])
	}
	if p, err := logPage(d, logSolid); err == nil && len(p[percentageUsed]) >= 4 {
		h.Wear = int(p[percentageUsed][3])
	}
	if p, err := logPage(d, logBackground); err == nil && len(p[0]) >= 4 {
		h.Hours = int64(binary.BigEndian.Uint32(p[0])) / 60
	}
}

// number is a big-endian number of up to eight bytes.
func number(b []byte) int64 {
	var n int64
	for _, x := range b[:min(len(b), 8)] {
		n = n<<8 | int64(x)
	}
	return max(n, 0)
}

// logPage reads the current values of a log page: parameter to value.
func logPage(d commander, page byte) (map[uint16][]byte, error) {
	b := make([]byte, logSize)
	command := make([]byte, 10)
	command[0], command[2] = scsiLogSense, 1<<6|page
	binary.BigEndian.PutUint16(command[7:], logSize)
	sense, err := d.Do(command, b)
	if err != nil {
		return nil, err
	}
	if key := senseKey(sense); key > 1 {
		return nil, fmt.Errorf("log page %#x: %w (sense key %d)", page, errRefused, key)
	}
	if b[0]&0x3f != page {
		return nil, fmt.Errorf("log page %#x: the disk sends page %#x", page, b[0]&0x3f)
	}
	return parameters(b[4:min(4+int(binary.BigEndian.Uint16(b[2:])), len(b))]), nil
}

// parameters takes a log page apart: code, a byte of control, length, value.
func parameters(b []byte) map[uint16][]byte {
	out := map[uint16][]byte{}
	for len(b) >= 4 {
		size := 4 + int(b[3])
		if size > len(b) {
			return out
		}
		out[binary.BigEndian.Uint16(b)] = b[4:size]
		b = b[size:]
	}
	return out
}
