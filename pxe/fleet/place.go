package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// place is why the machine cannot install now although nothing else stands
// against it: rack.yaml bounds how many do at once. Empty: it can. Machines get
// their places in the order in which their plans were made.
func (f *Fleet) place(r *record) string {
	limit, now := f.conf.Rack.Fleet.Parallel, f.conf.Now()
	var taken []string
	before := 0
	for _, o := range f.records {
		switch {
		case o.Key == r.Key:
		case f.installs(o):
			taken = append(taken, nameOf(&o.Machine))
		case o.waits(now) && o.Machine.Since.Before(r.Machine.Since):
			before++
		}
	}
	if limit <= 0 || len(taken)+before < limit {
		r.asked = time.Time{}
		return ""
	}
	r.asked = now
	return full(taken, before, limit)
}

// installs tells whether the machine has a place. One that fails gives it
// away, and so does one of which nothing is heard any more.
func (f *Fleet) installs(r *record) bool {
	m := &r.Machine
	switch m.State {
	case Checked, Installing:
	case Enrolled:
		if m.Progress == nil || m.Progress.Phase == PhaseHandover {
			return false
		}
	default:
		return false
	}
	return f.conf.Now().Sub(f.lastHeard(r)) <= silence
}

// lastHeard is when the machine's installer last sent something, as far as is
// known since the deployer started.
func (f *Fleet) lastHeard(r *record) time.Time {
	if r.heard.IsZero() {
		return f.started
	}
	return r.heard
}

// waits tells whether the machine is in the queue and still asks.
func (r *record) waits(now time.Time) bool {
	return r.Machine.State == Matched && now.Sub(r.asked) <= stillThere
}

// full says who has the places.
func full(taken []string, before, limit int) string {
	const names = 6
	slices.Sort(taken)
	list := strings.Join(taken[:min(names, len(taken))], ", ")
	if n := len(taken) - names; n > 0 {
		list += fmt.Sprintf(" and %d more", n)
	}
	text := fmt.Sprintf("%d of %d places to install are taken", min(len(taken), limit), limit)
	if list != "" {
		text += " by " + list
	}
	if before > 0 {
		text += fmt.Sprintf("; machines that were there before this one: %d", before)
	}
	return text + " (fleet.parallel in rack.yaml)"
}

// nameOf is the name of a machine for people.
func nameOf(m *Machine) string { return cmp.Or(m.Name, m.ID) }
