// Package power switches machines by their BMC: on, off, again, what they
// boot next, and a medium that they see as a CD. It speaks Redfish, and IPMI
// 2.0 to those that know nothing newer.
//
// A BMC is believed by the fingerprint of its certificate, since none of them
// has one that a machine could check otherwise. IPMI knows no certificates:
// it goes over the management network alone, with cipher suites that encrypt.
// Passwords come from files and are in no error and no log.
package power

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Protocols.
const (
	ProtocolRedfish = "redfish"
	ProtocolIPMI    = "ipmi"
)

// Action is what to do with the power.
type Action string

// The actions.
const (
	On    Action = "on"
	Off   Action = "off"   // at once
	Stop  Action = "stop"  // asks the system to shut down
	Reset Action = "reset" // at once
	Cycle Action = "cycle" // off and on
)

// Actions lists them all.
func Actions() []Action { return []Action{On, Off, Stop, Reset, Cycle} }

// Boot is what a machine boots next, once.
type Boot string

// What a machine can boot.
const (
	BootDefault Boot = "default" // what its setup says
	BootNetwork Boot = "network"
	BootDisk    Boot = "disk"
	BootCD      Boot = "cd"
)

// A Target is the BMC of one machine.
type Target struct {
	Protocol     string // redfish (default) or ipmi
	Address      string // host or host:port
	User         string
	PasswordFile string // readable by its owner alone
	CA           string // sha256:<hex> of the certificate that it shows; Redfish only
	UEFI         bool   // the machine boots by UEFI: so must what it boots next
	Unknown      bool   // it never booted: whether by UEFI is for the BMC to know
}

// A BMC is one that is logged in to.
type BMC interface {
	// State is on, off or a word of the BMC for something in between.
	State(ctx context.Context) (string, error)
	Do(ctx context.Context, a Action) error
	// BootNext holds for one boot.
	BootNext(ctx context.Context, b Boot) error
	// Insert makes the machine see the ISO of the URL as a CD; Eject ends it.
	Insert(ctx context.Context, url string) error
	Eject(ctx context.Context) error
	Close(ctx context.Context) error
}

// ErrUnsupported means that the BMC, or its protocol, cannot do it.
var ErrUnsupported = errors.New("the BMC cannot do that")

// Open logs in to a BMC.
func Open(ctx context.Context, t Target) (BMC, error) {
	if t.Address == "" {
		return nil, errors.New("bmc.address is empty; allowed: a host name or address, with a port or without")
	}
	password, err := readPassword(t.PasswordFile)
	if err != nil {
		return nil, err
	}
	switch t.Protocol {
	case "", ProtocolRedfish:
		return openRedfish(ctx, t, password)
	case ProtocolIPMI:
		return openIPMI(ctx, t, password)
	}
	return nil, fmt.Errorf("bmc.protocol is %q; allowed: %s, %s", t.Protocol, ProtocolRedfish, ProtocolIPMI)
}

// readPassword reads a password that nobody else may read.
func readPassword(file string) (string, error) {
	if file == "" {
		return "", errors.New("bmc.password_file is empty; allowed: a file on the deployer with mode 0600")
	}
	s, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("bmc.password_file: %w", err)
	}
	if s.Mode().Perm()&0o077 != 0 || s.Mode()&fs.ModeType != 0 {
		return "", fmt.Errorf("bmc.password_file %s has mode %s; allowed: a file that its owner alone can read (0600)", file, s.Mode())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("bmc.password_file: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// ParseAction reads an action.
func ParseAction(s string) (Action, error) {
	for _, a := range Actions() {
		if string(a) == s {
			return a, nil
		}
	}
	return "", fmt.Errorf("power action is %q; allowed: %v", s, Actions())
}
