package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
)

// A BMC is a management controller as the machine itself sees it: over IPMI
// it says where it is on the network. Power and media are for whoever answers
// at that address.
type BMC struct {
	Address netip.Addr // IPv4
	MAC     string
}

// bmcSocket is where QEMU waits for the BMC, in the machine's directory: it
// cannot take one that is there before the machine is whole.
const bmcSocket = "bmc.sock"

// attachBMC connects the BMC to a machine that has just been switched on, if
// it has one.
func (m *Machine) attachBMC(ctx context.Context) error {
	if m.spec.BMC == nil {
		return nil
	}
	dir, err := os.Open(m.spec.Dir)
	if err != nil {
		return fmt.Errorf("BMC: %w", err)
	}
	defer dir.Close()
	// Paths of sockets are short; those of directories need not be.
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), bmcSocket))
	if err != nil {
		return fmt.Errorf("BMC: %w", err)
	}
	go func() { // ends with the machine
		defer conn.Close()
		if err := m.spec.BMC.serve(conn); err != nil {
			m.log.Error("BMC", "err", err)
		}
	}()
	return nil
}

// QEMU speaks to a BMC outside of it in messages that end with one of these
// bytes; what they end is a message of IPMI or a command about the machine.
// An escaped byte has bit 4 set.
const (
	endOfMessage = 0xa0
	endOfCommand = 0xa1
	escapeNext   = 0xaa
	escaped      = 0x10
)

// serve answers the machine until it is gone.
func (b *BMC) serve(conn net.Conn) error {
	r := bufio.NewReader(conn)
	var message []byte
	var mask byte
	for {
		c, err := r.ReadByte()
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("BMC: %w", err)
		}
		switch c {
		case escapeNext:
			mask = escaped
			continue
		case endOfCommand:
			message = nil
		case endOfMessage:
			if answer := b.reply(message); answer != nil {
				if _, err := conn.Write(answer); err != nil {
					return nil //nolint:nilerr // the machine is off
				}
			}
			message = nil
		default:
			message = append(message, c&^mask)
		}
		mask = 0
	}
}

// reply answers a message: its number, network function, command, data and a
// checksum that makes the sum of all 0. A damaged one gets none.
func (b *BMC) reply(m []byte) []byte {
	if len(m) < 4 || sum(m) != 0 {
		return nil
	}
	code, data := b.answer(m[1]>>2, m[2], m[3:len(m)-1])
	out := append([]byte{m[0], m[1] | 1<<2, m[2], code}, data...)
	return frame(append(out, -sum(out)))
}

func sum(b []byte) byte {
	var n byte
	for _, x := range b {
		n += x
	}
	return n
}

// frame escapes what would end a message, and ends it.
func frame(m []byte) []byte {
	var out []byte
	for _, c := range m {
		if c == endOfMessage || c == endOfCommand || c == escapeNext {
			out = append(out, escapeNext, c|escaped)
			continue
		}
		out = append(out, c)
	}
	return append(out, endOfMessage)
}

// Completion codes of IPMI (2.0, table 5-2).
const (
	done           = 0x00
	noSuchParam    = 0x80
	unknownCommand = 0xc1
	outOfRange     = 0xcc
)

// answer carries out a command: those that Linux's driver needs, and those
// about the network (IPMI 2.0, sections 20, 22 and 23).
func (b *BMC) answer(function, command byte, data []byte) (code byte, answer []byte) {
	switch uint16(function)<<8 | uint16(command) {
	case 0x0601: // get device ID: IPMI 2.0, of no known maker
		return done, []byte{0x20, 1, 1, 0, 0x02, 0, 0, 0, 0, 0, 0}
	case 0x062e, 0x0630: // set global enables, clear message flags
		return done, nil
	case 0x062f, 0x0631: // get global enables, get message flags
		return done, []byte{0}
	case 0x0642: // get channel info
		if len(data) > 0 && data[0] == 1 {
			return done, []byte{1, 4, 1, 0x80, 0xf2, 0x1b, 0, 0, 0} // a LAN
		}
		return outOfRange, nil
	case 0x0c02: // get LAN configuration parameters
		if len(data) > 1 {
			return b.parameter(data[1])
		}
	}
	return unknownCommand, nil
}

func (b *BMC) parameter(number byte) (code byte, answer []byte) {
	const revision = 0x11
	switch number {
	case 3:
		return done, append([]byte{revision}, b.Address.AsSlice()...)
	case 5:
		mac, err := net.ParseMAC(b.MAC)
		if err != nil {
			return noSuchParam, nil
		}
		return done, append([]byte{revision}, mac...)
	}
	return noSuchParam, nil
}
