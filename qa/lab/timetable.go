package lab

import (
	"fmt"
	"strings"
)

// timetable is what took how long: the steps of the whole, then the phases of
// each machine, counted from its power-on.
func (r *Run) timetable() string {
	var b strings.Builder
	b.WriteString(r.steptable())
	if r.Accel.Kind != "" {
		fmt.Fprintf(&b, "\n%s\n", r.Accel)
	}
	if r.Guests != "" {
		fmt.Fprintf(&b, "servers are %s\n", r.Guests)
	}
	if len(r.Machines) == 0 {
		return b.String()
	}
	for _, m := range r.Machines {
		if len(m.Phases) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%-60s %9s %9s\n", m.Name, "took", "began at")
		for _, p := range m.Phases {
			fmt.Fprintf(&b, "  %-58s %9s %9s\n", p.Name, known(p.Took), p.BeganAt)
		}
		fmt.Fprintf(&b, "  %-58s %9s\n", fmt.Sprintf("processor time, %d MiB resident", m.Resident), m.CPU)
	}
	fmt.Fprintf(&b, "\nmemory of all machines: %d MiB\n", r.Resident)
	if len(r.Outcomes) > 0 {
		b.WriteString(outcomes(r.Outcomes))
	}
	return b.String()
}

// steptable is the steps of the whole, with the processor time of all
// machines in each.
func (r *Run) steptable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-60s %9s %9s %9s\n", "step", "took", "done at", "CPU")
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "%-60s %9s %9s %9s\n", s.Name, s.Took, s.DoneAt, known(s.CPU))
	}
	return b.String()
}

func known(s Seconds) string {
	if s == 0 {
		return "-"
	}
	return s.String()
}
