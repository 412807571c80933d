package fleet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/node/spec"
)

type clock func() time.Time

// A Machine is what is known of one machine. It is also what the operator API
// shows.
type Machine struct {
	ID       string     `json:"id"`   // SMBIOS UUID, or "mac-" and the MAC of a machine without a usable one
	MACs     []string   `json:"macs"` // that it booted from, newest first
	Address  netip.Addr `json:"address,omitzero"`
	Circuit  string     `json:"circuit,omitempty"`  // where a relay agent says that it is plugged in (option 82)
	Firmware string     `json:"firmware,omitempty"` // bios or uefi
	State    State      `json:"state"`
	Reason   string     `json:"reason,omitempty"` // why it failed
	Since    time.Time  `json:"since"`
	Wait     string     `json:"wait,omitempty"` // what it waits for
	Hint     string     `json:"hint,omitempty"` // why it may hang

	Name      string     `json:"name,omitempty"` // host name; kept over reinstallations, as is
	Rule      string     `json:"rule,omitempty"` // the role rule that it counts for
	Approved  bool       `json:"approved"`
	Installed bool       `json:"installed"` // has enrolled: it boots its disk
	MayWipe   bool       `json:"may_wipe,omitempty"`
	Attempts  int        `json:"attempts,omitempty"` // installations that reached the disk since an operator last said so
	Node      *spec.Node `json:"node,omitempty"`
	// Registered is when the controller acknowledged the node; zero before.
	Registered time.Time `json:"registered,omitzero"`

	Inventory *plan.Inventory `json:"inventory,omitempty"`
	Plan      *plan.Plan      `json:"plan,omitempty"`
	Checks    []Check         `json:"checks,omitempty"`
	Progress  *Progress       `json:"progress,omitempty"`
	Traffic   *Traffic        `json:"traffic,omitempty"`
	History   []Event         `json:"history"`
}

// A Check is one thing that was looked at before the disk was touched.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Why  string `json:"why,omitempty"`
}

// Progress is the installer's report with what follows from the last few.
type Progress struct {
	plan.Progress
	Rate float64   `json:"mb_per_s,omitempty"` // 10^6 bytes per second, over this phase
	ETA  float64   `json:"eta_s,omitempty"`    // seconds to the end of this phase
	At   time.Time `json:"at"`
	from time.Time // start of the phase
	done int64     // bytes at the start of the phase
}

// Traffic is what a machine has fetched of the image, and what it has given to
// others, in bytes, since it booted.
type Traffic struct {
	Deployer int64 `json:"deployer"` // fetched from the deployer
	Peers    int64 `json:"peers"`    // fetched from other machines
	Given    int64 `json:"given"`    // given to other machines
}

// An Event is one line of a machine's history.
type Event struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
	Why  string    `json:"why,omitempty"`
}

// historyLength is how many events of a machine are kept.
const historyLength = 64

func (m *Machine) note(what, why string, now clock) {
	m.History = append(m.History, Event{At: now(), What: what, Why: why})
	if n := len(m.History) - historyLength; n > 0 {
		m.History = slices.Clone(m.History[n:])
	}
}

// clone is a copy that shares nothing that is changed in place.
func (m *Machine) clone() Machine {
	c := *m
	c.MACs = slices.Clone(m.MACs)
	c.History = slices.Clone(m.History)
	c.Checks = slices.Clone(m.Checks)
	if m.Progress != nil {
		p := *m.Progress
		c.Progress = &p
	}
	return c
}

// is tells whether id, as the machine's own installer says it, means m.
func (m *Machine) is(id string) bool {
	id = strings.ToLower(id)
	if id == m.ID || swapped(id) == m.ID {
		return true
	}
	// A machine without a usable UUID cannot name itself otherwise.
	return strings.HasPrefix(m.ID, "mac-") && usableUUID(id) == ""
}

// usableUUID is id in its canonical form, or empty when many machines share
// it: vendors ship zeros, ones and one well-known default.
func usableUUID(id string) string {
	u, err := uuid.Parse(id)
	if err != nil || len(id) != 36 {
		return ""
	}
	switch u.String() {
	case "00000000-0000-0000-0000-000000000000",
		"ffffffff-ffff-ffff-ffff-ffffffffffff",
		"03000200-0400-0500-0006-000700080009",
		"00020003-0004-0005-0006-000700080009":
		return ""
	}
	return u.String()
}

// swapped is the UUID with its first three fields in the other byte order:
// SMBIOS before 2.6 did not say which one holds.
func swapped(id string) string {
	u, err := uuid.Parse(id)
	if err != nil {
		return ""
	}
	slices.Reverse(u[0:4])
	slices.Reverse(u[4:6])
	slices.Reverse(u[6:8])
	return u.String()
}

// idFromMAC names a machine that has no usable UUID.
func idFromMAC(mac string) string { return "mac-" + strings.ReplaceAll(mac, ":", "") }

// CheckMAC puts a MAC address into the form of all records.
func CheckMAC(s string) (string, error) {
	hw, err := parseMAC(s)
	if err != nil {
		return "", fmt.Errorf("MAC address %q; allowed: six bytes like 52:54:00:12:34:56", s)
	}
	return hw, nil
}
