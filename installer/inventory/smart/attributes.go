package smart

import (
	"encoding/binary"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// attributes are what SMART READ DATA returns: thirty entries of twelve bytes
// behind a version number. Their numbers and units are makers' custom, not a
// standard; only those are read that all makers mean alike.
type attributes []byte

const (
	attributesAt  = 2
	attributes30  = 30
	attributeSize = 12

	reallocatedSectors = 5
	poweredOnHours     = 9
	wearLeveling       = 177 // 100 when new
	airflowCelsius     = 190
	celsius            = 194
	pendingSectors     = 197
	lifeLeft           = 231 // of solid disks: 100 when new
	mediaWearout       = 233 // 100 when new
)

// fill takes over what the attributes say.
func (a attributes) fill(h *plan.Health, solid bool) {
	for i := range attributes30 {
		e := a[attributesAt+i*attributeSize:][:attributeSize]
		normal, raw := int(e[3]), binary.LittleEndian.Uint32(e[5:])
		switch e[0] {
		case reallocatedSectors:
			h.Errors += int64(raw & 0xffff) // makers keep other things above
		case pendingSectors:
			h.Errors += int64(raw)
		case poweredOnHours:
			h.Hours = int64(raw & 0xffffff) // as above
		case celsius:
			h.Celsius = int(raw & 0xff)
		case airflowCelsius:
			if h.Celsius == 0 {
				h.Celsius = int(raw & 0xff)
			}
		case wearLeveling, lifeLeft, mediaWearout:
			if solid && normal >= 1 && normal <= 100 {
				h.Wear = max(h.Wear, 100-normal)
			}
		}
	}
}

// Device statistics (ACS-3, A.5): a log of the disk, a page per subject.
// Entries are eight bytes; the highest says whether the rest is valid.
const (
	logStatistics   = 0x04
	pageGeneral     = 1
	pageTemperature = 5
	pageSolid       = 7

	statSupported = 0x80
	statValid     = 0x40
)

// ataStatistics takes over what the disk's statistics say: unlike attributes
// they are a standard, so they win. A page that the disk lacks says nothing.
func ataStatistics(d commander, h *plan.Health) {
	if v, ok := statistic(d, pageGeneral, 16); ok {
		h.Hours = int64(v & 0xffffffff)
	}
	if v, ok := statistic(d, pageTemperature, 8); ok {
		h.Celsius = int(int8(v))
	}
	if v, ok := statistic(d, pageSolid, 8); ok {
		h.Wear = int(v & 0xff)
	}
}

// statistic reads the entry at a place of a page, in bytes.
func statistic(d commander, page byte, at int) (uint64, bool) {
	b, err := ataRead(d, ataCommand{command: ataReadLogExt, extended: true, lba: logStatistics | uint64(page)<<8})
	if err != nil || b[2] != page {
		return 0, false
	}
	v := binary.LittleEndian.Uint64(b[at:])
	flags := byte(v >> 56)
	return v, flags&statSupported != 0 && flags&statValid != 0
}
