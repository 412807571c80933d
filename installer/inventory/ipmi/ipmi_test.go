package ipmi

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// A fakeBMC answers what its table has, by "netfn:command data", and refuses
// the rest as BMCs do.
type fakeBMC map[string][]byte

func (f fakeBMC) Ask(r Request) ([]byte, error) {
	answer, ok := f[fmt.Sprintf("%02x:%02x % x", r.NetFn, r.Command, r.Data)]
	if !ok {
		return nil, CodeError(0xcc)
	}
	if answer == nil {
		return nil, errLate
	}
	return answer, nil
}

// Answers begin behind the completion code: channel info is channel, medium,
// protocol, ...; a parameter is its revision and value.
func TestFindLAN(t *testing.T) {
	lan := []byte{1, 0x04, 0x01, 0x80}
	six := append([]byte{0x11, 0, 0x80}, netip.MustParseAddr("2001:db8::7").AsSlice()...)
	for name, c := range map[string]struct {
		bmc  fakeBMC
		want LAN
		err  error
	}{
		"IPv4": {bmc: fakeBMC{
			"06:42 01":          lan,
			"0c:02 01 05 00 00": {0x11, 0xb0, 0x7b, 0x25, 0, 0, 9},
			"0c:02 01 03 00 00": {0x11, 192, 168, 0, 120},
		}, want: LAN{1, netip.MustParseAddr("192.168.0.120"), "b0:7b:25:00:00:09"}},
		"second network, first has no address": {bmc: fakeBMC{
			"06:42 01":          lan,
			"0c:02 01 03 00 00": {0x11, 0, 0, 0, 0},
			"06:42 02":          {2, 0x05, 0x04}, // serial line
			"06:42 08":          {8, 0x04, 0x01},
			"0c:02 08 03 00 00": {0x11, 10, 0, 0, 8},
		}, want: LAN{Channel: 8, Address: netip.MustParseAddr("10.0.0.8")}},
		"IPv6, static": {bmc: fakeBMC{
			"06:42 01": lan, "0c:02 01 38 00 00": append(six, 64, 0),
		}, want: LAN{Channel: 1, Address: netip.MustParseAddr("2001:db8::7")}},
		"IPv6, dynamic": {bmc: fakeBMC{
			"06:42 01": lan, "0c:02 01 3b 00 00": append(append([]byte{0x11, 0, 1}, six[3:]...), 64, 0),
		}, want: LAN{Channel: 1, Address: netip.MustParseAddr("2001:db8::7")}},
		"no cable yet": {bmc: fakeBMC{
			"06:42 01": lan, "0c:02 01 05 00 00": {0x11, 2, 0, 0, 0, 0, 1},
		}, want: LAN{Channel: 1, MAC: "02:00:00:00:00:01"}},
		"no network":     {bmc: fakeBMC{"06:42 02": {2, 0x05}}, err: ErrNoLAN},
		"short answers":  {bmc: fakeBMC{"06:42 01": {1}, "06:42 02": {2, 4}, "0c:02 02 03 00 00": {0x11}, "0c:02 02 38 00 00": {0x11, 0, 0x80}}, want: LAN{Channel: 2}},
		"it hangs":       {bmc: fakeBMC{"06:42 01": nil}, err: errLate},
		"it hangs later": {bmc: fakeBMC{"06:42 01": lan, "0c:02 01 03 00 00": nil}, err: errLate},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := FindLAN(c.bmc)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if d := cmp.Diff(c.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
				t.Error(d)
			}
		})
	}
}

// The kernel checks the sizes by the ioctl numbers: those of a 64-bit Linux.
func TestLayout(t *testing.T) {
	if got := unsafe.Sizeof(kernelRequest{}); got != 40 {
		t.Errorf("a request has %d bytes, want 40", got)
	}
	if got := unsafe.Sizeof(kernelReceive{}); got != 48 {
		t.Errorf("what is received has %d bytes, want 48", got)
	}
	if ioctlSend != 0x8028690d || ioctlReceive != 0xc030690b {
		t.Errorf("ioctl numbers %#x, %#x; want 0x8028690d, 0xc030690b", ioctlSend, ioctlReceive)
	}
}

func TestOpenNone(t *testing.T) {
	if _, err := Open(t.TempDir()+"/"+Device, 0); err == nil {
		t.Error("a device that is not there was opened")
	}
}
