package plan

import (
	"fmt"
	"slices"
	"strings"
)

// machine checks what is known of a single machine, against the rest of the
// rack and the machines before it.
func (c *checker) machine(at string, r *Rack, i int) {
	k := &r.Machines[i]
	for j := range r.Machines[:i] {
		o := &r.Machines[j]
		for _, same := range []struct{ field, value, other string }{
			{"mac", k.MAC, o.MAC}, {"machine", k.Machine, o.Machine}, {"serial", k.Serial, o.Serial}, {"name", k.Name, o.Name},
		} {
			if same.value != "" && strings.EqualFold(same.value, same.other) {
				c.fault(at+"."+same.field, same.value, fmt.Sprintf("one that machines[%d] does not have", j))
			}
		}
		if k.Address.IsValid() && k.Address == o.Address {
			c.fault(at+".address", k.Address, fmt.Sprintf("one that machines[%d] does not have", j))
		}
	}
	if k.Rule != "" && !slices.ContainsFunc(r.Rules, func(rule RoleRule) bool { return rule.Name == k.Rule }) {
		c.fault(at+".rule", k.Rule, "the name of a rule: "+ruleNames(r))
	}
	if k.Address.IsValid() && c.sound("management") {
		c.fixedAddress(at+".address", r, k)
	}
}

// fixedAddress wants an address that nobody else gets.
func (c *checker) fixedAddress(field string, r *Rack, k *Known) {
	m := &r.Management
	network, from, to := m.Network, m.RangeFrom, m.RangeTo
	for _, l := range m.Relayed {
		if l.Network.Contains(k.Address) {
			network, from, to = l.Network, l.RangeFrom, l.RangeTo
			if k.Address == l.Router {
				c.fault(field, k.Address, "another address than the router's")
			}
		}
	}
	switch {
	case !isHost(k.Address, network):
		c.fault(field, k.Address, "a host address inside management.network "+m.Network.String()+" or one of management.relayed")
	case within(k.Address, from, to):
		c.fault(field, k.Address, fmt.Sprintf("an address outside the range %s to %s, which is given to any machine", from, to))
	}
}
