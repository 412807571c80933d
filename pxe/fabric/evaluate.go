package fabric

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Evaluate says what a round found.
func Evaluate(r Round) Matrix {
	e := &evaluation{Round: r, heard: make([]map[path]int, len(r.Members)), index: map[string]int{}}
	for i, m := range r.Members {
		e.index[m.MAC] = i
		e.heard[i] = map[path]int{}
	}
	for to, m := range r.Members {
		if m.Report == nil {
			continue
		}
		for _, h := range m.Report.Heard {
			if from, ok := e.index[h.MAC]; ok {
				e.heard[to][path{from, h.VLAN, h.As}] = h.Size
			}
		}
	}
	out := Matrix{Round: r.Number, At: r.At, VLANs: ranges(r.VLANs), MTU: r.MTU}
	for _, m := range r.Members {
		out.Members = append(out.Members, Who{m.Machine, m.Name, m.Place})
	}
	out.Cells = e.cells()
	e.silent()
	e.missing()
	e.narrow()
	e.retagged()
	e.duplicates()
	e.odd()
	out.Findings = e.findings
	return out
}

// A path is where a probe came from, and its tag before and after.
type path struct{ from, vlan, as int }

type evaluation struct {
	Round
	heard    []map[path]int // per member, sizes
	index    map[string]int // by MAC
	findings []Finding
}

func (e *evaluation) size(from, to, vlan int) int { return e.heard[to][path{from, vlan, vlan}] }

func (e *evaluation) reported(i int) bool { return e.Members[i].Report != nil }

func (e *evaluation) who(i int) string {
	m := e.Members[i]
	return Who{m.Machine, m.Name, m.Place}.String()
}

func (e *evaluation) found(fault bool, about []int, format string, args ...any) {
	f := Finding{Fault: fault, Text: fmt.Sprintf(format, args...)}
	for _, i := range about {
		f.Machines = append(f.Machines, e.Members[i].Machine)
	}
	e.findings = append(e.findings, f)
}

func (e *evaluation) cells() [][]Cell {
	out := make([][]Cell, len(e.Members))
	for from := range e.Members {
		for to := range e.Members {
			out[from] = append(out[from], e.cell(from, to))
		}
	}
	return out
}

func (e *evaluation) cell(from, to int) Cell {
	switch {
	case from == to:
		return Cell{State: Self}
	case !e.reported(from) || !e.reported(to):
		return Cell{State: Unknown}
	}
	var missing []int
	smallest := 0
	for _, v := range e.VLANs {
		n := e.size(from, to, v)
		if n == 0 {
			missing = append(missing, v)
		} else if smallest == 0 || n < smallest {
			smallest = n
		}
	}
	c := Cell{State: OK, Missing: ranges(missing), Size: smallest}
	switch {
	case len(missing) == len(e.VLANs) && len(missing) > 0:
		c.State = None
	case len(missing) > 0 || smallest < e.MTU && len(e.VLANs) > 0:
		c.State = Partial
	}
	return c
}

// silent names who took part and did not report.
func (e *evaluation) silent() {
	for i := range e.Members {
		if !e.reported(i) {
			e.found(false, []int{i}, "%s took part and sent no report", e.who(i))
		}
	}
}

// missing names the ports that lack VLANs.
func (e *evaluation) missing() {
	e.each(func(from, to, vlan int) bool { return e.size(from, to, vlan) > 0 }, func(v verdict, vlans string) {
		switch {
		case v.everybody:
			e.found(true, v.members, "VLAN %s passes between no two machines: allow it on the switch's trunk ports", vlans)
		case v.culprit:
			e.found(true, v.members, "VLAN %s does not pass to or from %s, and does between others: allow it on that switch port", vlans, e.who(v.members[0]))
		case v.oneWay:
			e.found(true, v.members, "VLAN %s passes from %s to %s in one direction only: %s hears nothing of %s", vlans,
				e.who(v.members[1]), e.who(v.members[0]), e.who(v.members[1]), e.who(v.members[0]))
		default:
			e.found(true, v.members, "VLAN %s does not pass between %s and %s: allow it on both switch ports", vlans, e.who(v.members[0]), e.who(v.members[1]))
		}
	})
}

// narrow names the ports that lose large frames.
func (e *evaluation) narrow() {
	full := func(from, to, vlan int) bool {
		n := e.size(from, to, vlan)
		return n == 0 || n >= e.MTU
	}
	e.each(full, func(v verdict, vlans string) {
		switch {
		case v.everybody:
			e.found(true, v.members, "frames of %d bytes pass between no two machines on VLAN %s, small ones do: raise the MTU of the switch, or lower tenant.mtu", e.MTU, vlans)
		case v.culprit:
			e.found(true, v.members, "frames of %d bytes are lost to or from %s on VLAN %s, small ones are not: raise the MTU of that switch port", e.MTU, e.who(v.members[0]), vlans)
		default:
			e.found(true, v.members, "frames of %d bytes are lost between %s and %s on VLAN %s, small ones are not: raise the MTU of the switch ports on that way", e.MTU, e.who(v.members[0]), e.who(v.members[1]), vlans)
		}
	})
}

// retagged names ports whose native VLAN takes a tag off, or puts one on.
func (e *evaluation) retagged() {
	for to := range e.Members {
		changed := map[path]bool{}
		for p := range e.heard[to] {
			if p.vlan != p.as {
				changed[p] = true
			}
		}
		for _, p := range sorted(changed) {
			e.found(true, []int{p.from, to}, "frames that %s sends %s reach %s %s: check the native VLAN of both switch ports",
				e.who(p.from), tagWords(p.vlan), e.who(to), tagWords(p.as))
		}
	}
	if e.Shared {
		return
	}
	var about []int
	for to := range e.Members {
		if slices.ContainsFunc(keys(e.heard[to]), func(p path) bool { return p.vlan == 0 && p.as == 0 }) {
			about = append(about, to)
		}
	}
	if len(about) > 0 {
		var names []string
		for _, i := range about {
			names = append(names, e.who(i))
		}
		e.found(false, about, "untagged frames pass to %s on the trunk: the native VLAN of these ports is in use, and it should be one that nobody uses", strings.Join(names, ", "))
	}
}

func tagWords(vlan int) string {
	if vlan == 0 {
		return "without a tag"
	}
	return fmt.Sprintf("with tag %d", vlan)
}

func keys(m map[path]int) []path {
	out := make([]path, 0, len(m))
	for p := range m {
		out = append(out, p)
	}
	return out
}

func sorted(m map[path]bool) []path {
	out := make([]path, 0, len(m))
	for p := range m {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b path) int {
		return slices.Compare([]int{a.from, a.vlan, a.as}, []int{b.from, b.vlan, b.as})
	})
	return out
}

// duplicates names who has an address that somebody else has.
func (e *evaluation) duplicates() {
	for i, m := range e.Members {
		if m.Report != nil && len(m.Report.Duplicates) > 0 {
			e.found(true, []int{i}, "the management address of %s is in use by %s too: take it away from there, or change management.range_from", e.who(i), strings.Join(m.Report.Duplicates, ", "))
		}
	}
}

// odd names clocks that are wrong, and links slower than the others'.
func (e *evaluation) odd() {
	fastest := 0
	for _, m := range e.Members {
		if m.Report != nil {
			fastest = max(fastest, m.Report.SpeedMbps)
		}
	}
	for i, m := range e.Members {
		if m.Report == nil {
			continue
		}
		if m.Skew.Abs() > e.MaxSkew {
			e.found(false, []int{i}, "the clock of %s is off by %s: set it in its firmware or BMC", e.who(i), m.Skew.Round(time.Second))
		}
		if n := m.Report.SpeedMbps; n > 0 && n < fastest {
			e.found(false, []int{i}, "the link of %s runs at %d Mbit/s, others at %d: check cable and transceiver", e.who(i), n, fastest)
		}
	}
}
