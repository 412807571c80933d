package plan

import (
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Condition is one thing that a rule wants of a machine.
type Condition struct {
	Field  string `json:"field"` // of match, or of the inventory
	Wanted string `json:"wanted"`
	Found  string `json:"found"`
	Met    bool   `json:"met"`
}

// conditions are what the match wants, each with what the machine has.
func (m *Match) conditions(inv *Inventory, local bool) iter.Seq[Condition] {
	return func(yield func(Condition) bool) {
		_ = m.named(inv, local, yield) && m.sized(inv, yield) && m.asked(inv, yield)
	}
}

// named are conditions on who the machine is.
func (m *Match) named(inv *Inventory, local bool, yield func(Condition) bool) bool {
	if m.Local != nil && !yield(Condition{"local", strconv.FormatBool(*m.Local), strconv.FormatBool(local), *m.Local == local}) {
		return false
	}
	for _, c := range []struct {
		field string
		want  []string
		have  []string
	}{{"mac", m.MAC, inv.macs()}, {"machine", m.Machine, []string{inv.Machine}}, {"serial", m.Serial, []string{inv.Serial}}} {
		if len(c.want) == 0 {
			continue
		}
		met := slices.ContainsFunc(c.have, func(s string) bool { return containsFold(c.want, s) })
		if !yield(Condition{c.field, oneOfWords(c.want), listed(c.have), met}) {
			return false
		}
	}
	return true
}

// sized are conditions on how large it is.
func (m *Match) sized(inv *Inventory, yield func(Condition) bool) bool {
	for _, c := range []struct {
		field      string
		want, have int
	}{{"min_memory_mib", m.MinMemoryMiB, inv.MemoryMiB}, {"min_cpus", m.MinCPUs, inv.CPUs}} {
		if c.want > 0 && !yield(Condition{c.field, ">= " + strconv.Itoa(c.want), strconv.Itoa(c.have), c.have >= c.want}) {
			return false
		}
	}
	return true
}

// asked are conditions on any field of the inventory.
func (m *Match) asked(inv *Inventory, yield func(Condition) bool) bool {
	if len(m.Where) == 0 {
		return true
	}
	for _, name := range slices.Sorted(maps.Keys(m.Where)) {
		t, have := parseTest(m.Where[name]), find(inv, name)
		met := slices.ContainsFunc(have.values, func(s string) bool { return t.meets(have.kind, s) })
		if !yield(Condition{"where " + name, quoteEmpty(m.Where[name]), listed(have.values), met}) {
			return false
		}
	}
	return true
}

// meets tells whether every condition is met.
func (m *Match) meets(inv *Inventory, local bool) bool {
	for c := range m.conditions(inv, local) {
		if !c.Met {
			return false
		}
	}
	return true
}

func (inv *Inventory) macs() []string {
	macs := make([]string, len(inv.NICs))
	for i, n := range inv.NICs {
		macs[i] = n.MAC
	}
	return macs
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(x, s) })
}

// listed shows what a machine has: each value once, the first eight.
func listed(values []string) string {
	const most = 8
	var words []string
	for i, v := range values {
		if slices.Contains(values[:i], v) {
			continue
		}
		if len(words) == most {
			return strings.Join(words, ", ") + ", ..."
		}
		words = append(words, quoteEmpty(v))
	}
	return orNone(strings.Join(words, ", "))
}

func oneOfWords(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + listed(words)
}

func quoteEmpty(s string) string {
	if s == "" {
		return `""`
	}
	return s
}
