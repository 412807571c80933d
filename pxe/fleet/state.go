package fleet

import (
	"fmt"
	"slices"
)

// State is how far a machine has come.
type State string

// The states of a machine.
const (
	Seen        State = "seen"        // asked for an address with intent to boot
	Booting     State = "booting"     // was given the installer and a ticket
	Inventoried State = "inventoried" // said what it consists of
	Matched     State = "matched"     // a role rule fits and a plan is made
	Checked     State = "checked"     // plan and network fit together, and it is approved
	Installing  State = "installing"  // writes its disk
	Enrolled    State = "enrolled"    // has its identity
	Ready       State = "ready"       // its health checks pass
	Failed      State = "failed"      // Reason says why
)

// States lists all of them, in order.
func States() []State {
	return []State{Seen, Booting, Inventoried, Matched, Checked, Installing, Enrolled, Ready, Failed}
}

// next is the table of what may follow what. To stay is always allowed.
func next(from State) []State {
	switch from {
	case "":
		return []State{Seen, Booting}
	case Seen:
		return []State{Booting, Failed}
	case Booting:
		return []State{Inventoried, Failed}
	case Inventoried:
		return []State{Booting, Matched, Failed}
	case Matched:
		return []State{Booting, Inventoried, Checked, Failed}
	case Checked:
		return []State{Booting, Inventoried, Installing, Failed}
	case Installing:
		return []State{Booting, Enrolled, Failed}
	case Enrolled:
		return []State{Ready, Failed, Seen} // Seen: Reinstall
	case Ready:
		return []State{Failed, Seen}
	case Failed:
		return []State{Booting, Inventoried, Ready, Seen}
	}
	return nil
}

// May tells whether a machine in state from may go to state to.
func May(from, to State) bool { return from == to || slices.Contains(next(from), to) }

// move changes the state and writes it into the history. Failed needs a
// reason; other states clear it.
func (m *Machine) move(to State, reason string, now clock) error {
	if !May(m.State, to) {
		return fmt.Errorf("%w: machine %s is %s and cannot become %s; allowed: %v", ErrState, m.ID, m.State, to, next(m.State))
	}
	if m.State == to && m.Reason == reason {
		return nil
	}
	m.State, m.Reason, m.Since = to, reason, now()
	m.note(string(to), reason, now)
	return nil
}
