package lab

import (
	"fmt"
	"strings"
	"time"
)

// A step is a part of the whole way that `up` took.
type step struct {
	name  string
	took  time.Duration
	since time.Duration // from the beginning to its end
}

// timetable is what took how long: the steps of the whole, then the phases of
// each machine, counted from its power-on.
func timetable(steps []step, s *Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-60s %9s %9s\n", "step", "took", "done at")
	for _, st := range steps {
		fmt.Fprintf(&b, "%-60s %9s %9s\n", st.name, clock(st.took), clock(st.since))
	}
	if s == nil {
		return b.String()
	}
	var resident int64
	for _, m := range s.Machines {
		resident += m.Resident
		if len(m.Phases) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%-60s %9s %9s\n", m.Name, "took", "began at")
		for i, p := range m.Phases {
			took := "-"
			if i+1 < len(m.Phases) {
				took = clock(m.Phases[i+1].Began.Sub(p.Began))
			}
			fmt.Fprintf(&b, "  %-58s %9s %9s\n", p.Name, took, clock(p.Began.Sub(m.Phases[0].Began)))
		}
		fmt.Fprintf(&b, "  %-58s %9s\n", fmt.Sprintf("processor time, %d MiB resident", m.Resident>>20), clock(m.CPU))
	}
	fmt.Fprintf(&b, "\nmemory of all machines: %d MiB\n", resident>>20)
	return b.String()
}
