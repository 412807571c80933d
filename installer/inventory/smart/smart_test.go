package smart

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// A fakeDisk answers the commands of its table, by their bytes in hex, and
// refuses the rest as disks do: with a check condition.
type fakeDisk map[string]answer

type answer struct{ data, sense []byte }

func (f fakeDisk) Do(command, data []byte) ([]byte, error) {
	a, ok := f[fmt.Sprintf("%x", command)]
	if !ok {
		return []byte{0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0}, nil // illegal request
	}
	copy(data, a.data)
	return a.sense, nil
}

// Commands as they go over the wire, after SAT-3.
const (
	identifyDisk = "85080e0000000100000000000000ec00"
	returnStatus = "85062000da00000000004f00c200b000"
	readData     = "85080e00d000010000004f00c200b000"
	statPage1    = "85090e00000001000400010000002f00"
	statPage5    = "85090e00000001000400050000002f00"
	statPage7    = "85090e00000001000400070000002f00"
)

func words(set map[int]uint16) []byte {
	b := make([]byte, sector)
	for n, v := range set {
		binary.LittleEndian.PutUint16(b[2*n:], v)
	}
	return b
}

// table makes the answer to SMART READ DATA: id, normalized value, raw value.
func table(rows ...[3]uint32) []byte {
	b := make([]byte, sector)
	for i, r := range rows {
		e := b[attributesAt+i*attributeSize:]
		e[0], e[3] = byte(r[0]), byte(r[1])
		binary.LittleEndian.PutUint32(e[5:], r[2])
	}
	return b
}

// stat makes a page of statistics with one valid entry.
func stat(page byte, at int, v uint64) []byte {
	b := make([]byte, sector)
	b[0], b[2] = 1, page
	binary.LittleEndian.PutUint64(b[at:], v|0xc0<<56)
	return b
}

var (
	fine   = []byte{0x72, 1, 0, 0x1d, 0, 0, 0, 14, 9, 12, 0, 0, 0, 0, 0, 0, 0, 0x4f, 0, 0xc2, 0, 0x50}
	fixed  = []byte{0x70, 0, 1, 0, 0x50, 0, 0, 10, 0, 0, 0x4f, 0xc2, 0, 0x1d}
	failed = []byte{0x72, 1, 0, 0x1d, 0, 0, 0, 14, 9, 12, 0, 0, 0, 0, 0, 0, 0, 0xf4, 0, 0x2c, 0, 0x50}
)

func TestATA(t *testing.T) {
	on := map[int]uint16{82: 1, 85: 1}
	hours := [3]uint32{9, 99, 0xab004e21} // a maker's own above 24 bits
	for name, c := range map[string]struct {
		disk fakeDisk
		want *plan.Health
	}{
		"healthy": {
			disk: fakeDisk{identifyDisk: {data: words(on)}, returnStatus: {sense: fine},
				readData: {data: table(hours, [3]uint32{5, 100, 0}, [3]uint32{194, 64, 0x00280024}, [3]uint32{231, 40, 60})}},
			want: &plan.Health{OK: true, Hours: 20001, Celsius: 36},
		},
		"answers in the old format": {
			disk: fakeDisk{identifyDisk: {data: words(on)}, returnStatus: {sense: fixed}},
			want: &plan.Health{OK: true},
		},
		"about to fail": {
			disk: fakeDisk{identifyDisk: {data: words(on)}, returnStatus: {sense: failed},
				readData: {data: table(hours, [3]uint32{5, 2, 0x1800f0}, [3]uint32{197, 90, 16}, [3]uint32{190, 60, 41})}},
			want: &plan.Health{Why: "the disk expects to fail soon (SMART)", Hours: 20001, Celsius: 41, Errors: 256},
		},
		"worn": {
			disk: fakeDisk{identifyDisk: {data: words(map[int]uint16{82: 1, 85: 1, 217: 1})}, returnStatus: {sense: fine},
				readData: {data: table([3]uint32{177, 88, 100}, [3]uint32{231, 83, 83})}},
			want: &plan.Health{OK: true, Wear: 17},
		},
		"statistics win": {
			disk: fakeDisk{identifyDisk: {data: words(map[int]uint16{82: 1, 85: 1, 87: 0x4020, 217: 1})}, returnStatus: {sense: fine},
				readData:  {data: table(hours, [3]uint32{194, 0, 99}, [3]uint32{177, 50, 0})},
				statPage1: {data: stat(1, 16, 7777)}, statPage5: {data: stat(5, 8, 31)}, statPage7: {data: stat(7, 8, 3)}},
			want: &plan.Health{OK: true, Hours: 7777, Celsius: 31, Wear: 3},
		},
		"statistics that are not valid": {
			disk: fakeDisk{identifyDisk: {data: words(map[int]uint16{82: 1, 85: 1, 87: 0x4020})}, returnStatus: {sense: fine},
				statPage1: {data: words(nil)}, statPage5: {data: stat(4, 8, 31)}},
			want: &plan.Health{OK: true},
		},
		"SMART is off":      {disk: fakeDisk{identifyDisk: {data: words(map[int]uint16{82: 1})}}},
		"status is missing": {disk: fakeDisk{identifyDisk: {data: words(on)}, returnStatus: {sense: []byte{0x72, 1, 0, 0, 0, 0, 0, 2, 3, 0}}}},
		"no ATA disk":       {disk: fakeDisk{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ata(c.disk)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if (err == nil) != (c.want != nil) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A damaged answer must not be read past its end.
func FuzzSense(f *testing.F) {
	f.Add(fine)
	f.Add(fixed)
	f.Fuzz(func(_ *testing.T, sense []byte) {
		registers(sense)
		senseKey(sense)
	})
}

func FuzzParameters(f *testing.F) {
	f.Add([]byte{0, 0, 3, 2, 0, 30, 0, 1, 3, 2, 0, 60})
	f.Fuzz(func(_ *testing.T, page []byte) { parameters(page) })
}

// page makes the answer to LOG SENSE.
func page(code byte, parameters ...byte) answer {
	return answer{data: append([]byte{code, 0, 0, byte(len(parameters))}, parameters...)}
}

func TestSCSI(t *testing.T) {
	const inquiry, log = "120000002400", "4d00%02x00000000040000"
	at := func(code byte) string { return fmt.Sprintf(log, 0x40|code) }
	seagate := answer{data: []byte("\x00\x00\x06\x12\x8b\x01\x10\x02SEAGATE ST2400MM0129    C003")}
	for name, c := range map[string]struct {
		disk fakeDisk
		want *plan.Health
	}{
		"healthy": {
			disk: fakeDisk{inquiry: seagate, at(0x2f): page(0x2f, 0, 0, 3, 4, 0, 0, 29, 60),
				at(0x0d): page(0x0d, 0, 0, 3, 2, 0, 30, 0, 1, 3, 2, 0, 60),
				at(0x15): page(0x15, 0, 0, 3, 12, 0, 0x12, 0x4f, 0x80, 0, 0, 0, 0, 0, 0, 0, 0),
				at(0x11): page(0x11, 0, 1, 3, 4, 0, 0, 0, 12),
				at(0x03): page(0x03, 0, 5, 2, 2, 9, 9, 0, 6, 2, 4, 0, 0, 1, 0), at(0x02): page(0x02, 0, 6, 2, 1, 2)},
			want: &plan.Health{OK: true, Celsius: 30, Hours: 20000, Wear: 12, Errors: 258},
		},
		"about to fail": {
			disk: fakeDisk{inquiry: seagate, at(0x2f): page(0x2f, 0, 0, 3, 4, 0x5d, 0x10, 0xff, 0)},
			want: &plan.Health{Why: "the disk expects to fail soon (informational exceptions)"},
		},
		"warns": {
			disk: fakeDisk{inquiry: seagate, at(0x2f): page(0x2f, 0, 0, 3, 4, 0x0b, 0x01, 70, 60)},
			want: &plan.Health{Why: "the disk warns (sense code 0b/01)", Celsius: 70},
		},
		"an ATA disk behind SAS": {
			disk: fakeDisk{inquiry: {data: []byte("\x00\x00\x06\x12\x8b\x01\x10\x02ATA     SAMSUNG")}, identifyDisk: {data: words(map[int]uint16{82: 1, 85: 1})}, returnStatus: {sense: fine}},
			want: &plan.Health{OK: true},
		},
		"a volume of a RAID controller": {disk: fakeDisk{inquiry: seagate}},
		"another page":                  {disk: fakeDisk{inquiry: seagate, at(0x2f): page(0x2e, 0, 0, 3, 4, 0, 0, 29, 60)}},
		"an empty page":                 {disk: fakeDisk{inquiry: seagate, at(0x2f): page(0x2f)}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := scsi(c.disk)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if (err == nil) != (c.want != nil) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestNVMe(t *testing.T) {
	log := func(change func(b []byte)) []byte {
		b := make([]byte, nvmeLogSize)
		b[1], b[2], b[5] = 0x43, 0x01, 2 // 323 K
		binary.LittleEndian.PutUint64(b[128:], 1234)
		change(b)
		return b
	}
	for name, c := range map[string]struct {
		log  []byte
		want plan.Health
	}{
		"healthy": {log(func([]byte) {}), plan.Health{OK: true, Celsius: 50, Wear: 2, Hours: 1234}},
		"used up": {log(func(b []byte) { b[0], b[5], b[160] = 0x05, 255, 7 }), plan.Health{
			Why: "its spare blocks are nearly used up; its errors make it unreliable", Celsius: 50, Wear: 255, Hours: 1234, Errors: 7}},
		"a warning of a later standard": {log(func(b []byte) { b[0], b[1], b[2] = 0x80, 0, 0 }), plan.Health{
			Why: "it warns of something (0x80)", Wear: 2, Hours: 1234}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, *nvmeHealth(c.log)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestOutcome(t *testing.T) {
	sense := make([]byte, senseSize)
	for name, c := range map[string]struct {
		header sgHeader
		length int
		fails  bool
	}{
		"done":            {},
		"sense data":      {header: sgHeader{status: checkCondition, driverStatus: driverSense, senseLen: 22}, length: 22},
		"refused":         {header: sgHeader{status: checkCondition}, fails: true},
		"busy":            {header: sgHeader{status: 8}, fails: true},
		"no such disk":    {header: sgHeader{hostStatus: 1}, fails: true},
		"driver gives up": {header: sgHeader{driverStatus: 6}, fails: true},
		"too much of it":  {header: sgHeader{senseLen: 255}, length: senseSize},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.header.outcome(sense)
			if len(got) != c.length || (err != nil) != c.fails {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// The kernel takes the structures by size and place: those of a 64-bit Linux.
func TestLayout(t *testing.T) {
	var h sgHeader
	for what, c := range map[string]struct{ got, want uintptr }{
		"sg_io_hdr":             {unsafe.Sizeof(h), 88},
		"sg_io_hdr.timeout":     {unsafe.Offsetof(h.timeout), 40},
		"sg_io_hdr.status":      {unsafe.Offsetof(h.status), 64},
		"sg_io_hdr.host_status": {unsafe.Offsetof(h.hostStatus), 68},
		"nvme_passthru_cmd":     {unsafe.Sizeof(nvmeCommand{}), 72},
		"nvme ioctl":            {ioctlAdmin, 0xc0484e41},
	} {
		if c.got != c.want {
			t.Errorf("%s: %#x, want %#x", what, c.got, c.want)
		}
	}
}

func TestRead(t *testing.T) {
	if _, err := Read("/dev/sdx", "usb"); !errors.Is(err, errSilent) {
		t.Errorf("USB: %v", err)
	}
	if _, err := Read(t.TempDir()+"/none", "ata"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bus := range []string{"ata", "scsi", "nvme"} {
		if h, err := Read(file, bus); err == nil {
			t.Errorf("a plain file on %s is %+v", bus, h)
		}
	}
}
