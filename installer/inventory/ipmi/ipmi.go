// Package ipmi asks the machine's own BMC for its network address, through
// the kernel's IPMI driver (drivers ipmi_si or ipmi_ssif, and ipmi_devintf)
// and after the IPMI 2.0 specification, sections 22 and 23. It changes
// nothing.
//
// Linux only, and as root. It imports nothing of ours.
package ipmi

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Device is where the kernel offers the first BMC.
const Device = "ipmi0"

// A Request is one command to the BMC.
type Request struct {
	NetFn, Command byte
	Data           []byte
}

// An Asker sends a request and returns the data of the answer behind its
// completion code, or a [CodeError] where that is not 0.
type Asker interface {
	Ask(r Request) ([]byte, error)
}

// A CodeError is a completion code by which a BMC refuses a request.
type CodeError byte

func (e CodeError) Error() string {
	return fmt.Sprintf("the BMC answers with completion code %#02x", byte(e))
}

// A LAN is how a BMC is reached from outside.
type LAN struct {
	Channel int
	Address netip.Addr // invalid when it has none
	MAC     string
}

// Commands, and parameters of "Get LAN Configuration Parameters".
const (
	netFnApp       = 0x06
	netFnTransport = 0x0c

	cmdChannelInfo = 0x42
	cmdLANParam    = 0x02

	paramAddress  = 3
	paramMAC      = 5
	paramStatic6  = 56
	paramDynamic6 = 59

	mediumLAN   = 4  // 802.3
	lastChannel = 11 // of those that may be a network
)

// ErrNoLAN means that the BMC says of none of its channels that it is a
// network.
var ErrNoLAN = errors.New("the BMC has no network channel")

// FindLAN returns the BMC's first network channel that has an address, or the
// first one at all.
func FindLAN(a Asker) (LAN, error) {
	var first *LAN
	for channel := 1; channel <= lastChannel; channel++ {
		info, err := a.Ask(Request{netFnApp, cmdChannelInfo, []byte{byte(channel)}})
		if code := CodeError(0); errors.As(err, &code) {
			continue // there is no such channel
		}
		if err != nil {
			return LAN{}, err
		}
		if len(info) < 2 || info[1]&0x7f != mediumLAN {
			continue
		}
		lan, err := readLAN(a, channel)
		if err != nil {
			return LAN{}, err
		}
		if lan.Address.IsValid() {
			return lan, nil
		}
		if first == nil {
			first = &lan
		}
	}
	if first == nil {
		return LAN{}, ErrNoLAN
	}
	return *first, nil
}

func readLAN(a Asker, channel int) (LAN, error) {
	lan := LAN{Channel: channel}
	for _, p := range []struct {
		number byte
		use    func([]byte)
	}{
		{paramMAC, lan.mac}, {paramAddress, lan.address4}, {paramStatic6, lan.static6}, {paramDynamic6, lan.dynamic6},
	} {
		b, err := a.Ask(Request{netFnTransport, cmdLANParam, []byte{byte(channel), p.number, 0, 0}})
		if code := CodeError(0); errors.As(err, &code) {
			continue // older BMCs know no IPv6, and simulated ones nothing
		}
		if err != nil {
			return LAN{}, err
		}
		if len(b) > 1 {
			p.use(b[1:]) // behind the revision of the parameter
		}
	}
	return lan, nil
}

func (l *LAN) mac(b []byte) {
	if mac := (net.HardwareAddr)(b); len(b) == 6 && mac.String() != "00:00:00:00:00:00" {
		l.MAC = mac.String()
	}
}

func (l *LAN) address4(b []byte) {
	if addr, ok := netip.AddrFromSlice(b); ok && addr.Is4() {
		l.take(addr)
	}
}

// static6 reads selector, source with the enable bit, address, prefix length
// and status.
func (l *LAN) static6(b []byte) {
	if len(b) >= 18 && b[1]&0x80 != 0 {
		l.take(netip.AddrFrom16([16]byte(b[2:18])))
	}
}

// dynamic6 reads the same without the enable bit.
func (l *LAN) dynamic6(b []byte) {
	if len(b) >= 18 {
		l.take(netip.AddrFrom16([16]byte(b[2:18])))
	}
}

// take keeps the first address that is one.
func (l *LAN) take(addr netip.Addr) {
	if !l.Address.IsValid() && !addr.IsUnspecified() {
		l.Address = addr
	}
}
