package fleet

import (
	"errors"
	"net"
)

// Kinds of refusals. The text behind them is for people.
var (
	ErrUnknown = errors.New("no such machine")
	ErrTicket  = errors.New("boot ticket refused")
	ErrState   = errors.New("wrong state")
	ErrDenied  = errors.New("refused")
)

var errMAC = errors.New("not the address of one Ethernet device")

func parseMAC(s string) (string, error) {
	hw, err := net.ParseMAC(s)
	if err != nil {
		return "", err
	}
	if len(hw) != 6 || hw[0]&1 != 0 {
		return "", errMAC
	}
	return hw.String(), nil
}
