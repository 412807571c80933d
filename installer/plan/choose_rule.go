package plan

import (
	"fmt"
	"slices"
	"strings"
)

// findRule finds the rule that holds: the one that rack.yaml names for this
// machine; the one that it had, while it meets it; or the first that it meets
// and that has room.
func (m *maker) findRule() error {
	if m.known != nil && m.known.Rule != "" {
		m.rule = m.rack.rule(m.known.Rule)
	} else if had := m.rack.rule(m.o.Rule); had != nil && had.Match.meets(&m.inv, m.o.Local) && m.hasRoom(had) {
		m.rule = had
	}
	var full []string
	for i := 0; m.rule == nil && i < len(m.rack.Rules); i++ {
		r := &m.rack.Rules[i]
		switch {
		case !r.Match.meets(&m.inv, m.o.Local):
		case m.hasRoom(r):
			m.rule = r
		default:
			full = append(full, fmt.Sprintf("%q with %s", r.Name, m.seats(r)))
		}
	}
	if m.rule != nil {
		return nil
	}
	if len(full) > 0 {
		return refuse("Raise count of that rule, or add a rule behind it",
			"every rule that machine %s meets is full: %s", m.inv.Machine, strings.Join(full, ", "))
	}
	return refuse("Add a rule that this machine meets to rack.yaml; a rule without match is met by all. `cairn rack explain` says what each rule misses",
		"no rule matches machine %s (serial %s, %d CPUs, %d MiB, NICs %s; rules: %s)",
		m.inv.Machine, orNone(m.inv.Serial), m.inv.CPUs, m.inv.MemoryMiB, orNone(strings.Join(m.inv.macs(), " ")), ruleNames(m.rack))
}

// hasRoom tells whether another machine may have the rule.
func (m *maker) hasRoom(r *RoleRule) bool { return r.Count == 0 || m.o.Taken[r.Name] < r.Count }

// seats says how many machines have a rule.
func (m *maker) seats(r *RoleRule) string {
	if r.Count == 0 {
		return fmt.Sprintf("%d machines, any number allowed", m.o.Taken[r.Name])
	}
	return fmt.Sprintf("%d of %d machines", m.o.Taken[r.Name], r.Count)
}

// rule finds a rule by its name; nil: there is none.
func (r *Rack) rule(name string) *RoleRule {
	for i := range r.Rules {
		if r.Rules[i].Name == name {
			return &r.Rules[i]
		}
	}
	return nil
}

// RuleOf guesses the rule of a machine of which only the host name is known,
// like the first controller, which was installed from the medium: the one that
// rack.yaml names for it, or the first for such machines that makes that name.
// It is empty where none does.
func (r *Rack) RuleOf(host string, local bool) string {
	named := slices.IndexFunc(r.Machines, func(k Known) bool { return k.Name == host })
	if named >= 0 && r.Machines[named].Rule != "" {
		return r.Machines[named].Rule
	}
	for _, rule := range r.Rules {
		if rule.Match.Local != nil && *rule.Match.Local != local {
			continue
		}
		if named >= 0 || couldMake(rule.Host, host) {
			return rule.Name
		}
	}
	return ""
}

func ruleNames(r *Rack) string {
	var names []string
	for _, rule := range r.Rules {
		names = append(names, rule.Name)
	}
	return strings.Join(names, ", ")
}
