package plan

import (
	"errors"
	"fmt"
	"slices"
)

// An Explanation says how a machine's plan comes about: what each rule wants
// and finds, what became of each disk, and the plan or the refusal.
type Explanation struct {
	Machine   string     `json:"machine"`
	Inventory Inventory  `json:"inventory"`
	Known     string     `json:"known,omitempty"` // the entry of machines in rack.yaml that is about it
	Rules     []RuleStep `json:"rules"`
	Disks     []DiskStep `json:"disks,omitempty"`
	Address   string     `json:"address,omitempty"` // on the management network, in words
	Plan      *Plan      `json:"plan,omitempty"`
	Refused   string     `json:"refused,omitempty"`
	Remedy    string     `json:"remedy,omitempty"`
}

// A RuleStep is one rule and what it has to do with the machine.
type RuleStep struct {
	Rule       string      `json:"rule"`
	Roles      []string    `json:"roles"`
	Conditions []Condition `json:"conditions,omitempty"` // none: every machine meets it
	Seats      string      `json:"seats"`                // how many machines have it
	Met        bool        `json:"met"`
	Holds      bool        `json:"holds"`
	Why        string      `json:"why"`
}

// Explain is Make, and how it came to its answer.
func Explain(inv Inventory, r *Rack, o Options) Explanation {
	m := maker{inv: inv, rack: r, o: o}
	err := m.make()
	x := Explanation{Machine: inv.Machine, Inventory: inv, Disks: m.disks}
	if m.known != nil {
		x.Known = m.known.String()
	}
	for i := range r.Rules {
		x.Rules = append(x.Rules, m.explainRule(&r.Rules[i]))
	}
	if err == nil {
		x.Plan, x.Address = &m.plan, m.address()
		return x
	}
	x.Refused = err.Error()
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		x.Refused, x.Remedy = refusal.Reason, refusal.Remedy
	}
	return x
}

// explainRule says what a rule wants of the machine and why it holds or not.
func (m *maker) explainRule(r *RoleRule) RuleStep {
	step := RuleStep{Rule: r.Name, Conditions: slices.Collect(r.Match.conditions(&m.inv, m.o.Local)),
		Seats: m.seats(r), Holds: m.rule == r}
	for _, role := range r.Roles {
		step.Roles = append(step.Roles, string(role))
	}
	missed := slices.DeleteFunc(slices.Clone(step.Conditions), func(c Condition) bool { return c.Met })
	step.Met = len(missed) == 0
	step.Why = m.why(r, step, missed)
	return step
}

func (m *maker) why(r *RoleRule, step RuleStep, missed []Condition) string {
	switch {
	case step.Holds && m.known != nil && m.known.Rule == r.Name:
		return "holds: machines in rack.yaml names it for this machine"
	case step.Holds && m.o.Rule == r.Name && !m.first(r):
		return "holds: the machine has it already and still meets it"
	case step.Holds:
		return "holds: the first rule that the machine meets and that has room"
	case len(missed) == 1:
		return "does not match: " + missed[0].words()
	case len(missed) > 1:
		return fmt.Sprintf("does not match: %s, and %d more", missed[0].words(), len(missed)-1)
	case !m.hasRoom(r):
		return "matches, but it is full"
	}
	return "would match, but another rule holds"
}

// first tells whether the rule is the first that the machine meets and that
// has room.
func (m *maker) first(r *RoleRule) bool {
	for i := range m.rack.Rules {
		if b := &m.rack.Rules[i]; b.Match.meets(&m.inv, m.o.Local) && m.hasRoom(b) {
			return b == r
		}
	}
	return false
}

func (c Condition) words() string { return c.Field + " is " + c.Found + ", wanted " + c.Wanted }

// address says in words which address the machine gets.
func (m *maker) address() string {
	n := &m.rack.Management
	switch {
	case m.o.Local:
		return n.Controller.String() + ", management.controller of rack.yaml"
	case m.plan.Address.IsValid():
		return m.plan.Address.String() + ", from machines in rack.yaml"
	case len(n.Relayed) > 0:
		return "one of the range of the network that it boots from"
	}
	return fmt.Sprintf("one of %s to %s", n.RangeFrom, n.RangeTo)
}
