package plan

import "testing"

func TestListens(t *testing.T) {
	for rules, want := range map[string]bool{
		"": false,
		"rules:\n- roles: [compute]\n  match: {where: {product: Power*}}\n":                 false,
		"rules:\n- roles: [compute]\n  match: {where: {nics.lldp.switch: tor-1}}\n":         true,
		"rules:\n- roles: [compute]\n  host: \"{nics.lldp.switch}-{nics.lldp.port}\"\n":     true,
		"rules:\n- roles: [compute]\n  match: {where: {nics.mac: \"52:54:00:00:00:01\"}}\n": false,
	} {
		r, err := ParseRack([]byte(rules))
		if err != nil {
			t.Fatalf("%s: %v", rules, err)
		}
		if got := r.Listens(); got != want {
			t.Errorf("%q: %v, want %v", rules, got, want)
		}
	}
}
