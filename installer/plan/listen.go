package plan

import "strings"

// LLDPSeconds is long enough to hear every switch: they speak every 30.
const LLDPSeconds = 32

// Listens tells whether any rule asks which switch ports a machine is plugged
// into, so that a decision is worth the wait for the switches.
func (r *Rack) Listens() bool {
	const field = "nics.lldp"
	for _, rule := range r.Rules {
		if strings.Contains(rule.Host, "{"+field) {
			return true
		}
		for name := range rule.Match.Where {
			if strings.HasPrefix(name, field) {
				return true
			}
		}
	}
	return false
}
