package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRackDefaults(t *testing.T) {
	for name, raw := range map[string]string{"empty": "", "comment": "# nothing\n", "null": "~\n"} {
		r, err := ParseRack([]byte(raw))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := []string{r.Name, r.Approve, r.Management.Network.String(), r.Management.Controller.String(),
			r.Management.RangeFrom.String(), r.Management.RangeTo.String(), r.Rules[0].Host, r.Rules[1].Host, r.Rules[1].Disk.Wipe}
		want := []string{"cairn", "auto", "10.20.0.0/24", "10.20.0.11", "10.20.0.100", "10.20.0.199", "controller%d", "compute%d", "never"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestParseRackNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"name: [a]\n", `rack.yaml line 1: name is a list; allowed: a single value`},
		{"- a\n", `rack.yaml line 1: the document is a list; allowed: a mapping with any of name, management, tenant, external, ssh_keys, api_names, approve, fabric, fleet, rules, machines`},
		{"name: a\nname: b\n", `rack.yaml line 2: name is "name"; allowed: once`},
		{"\nrole: x\n", `rack.yaml line 2: role is unknown; allowed: name, management, tenant, external, ssh_keys, api_names, approve, fabric, fleet, rules, machines`},
		{"management:\n  network: 10.0.0.0/33\n", `rack.yaml line 2: management.network is "10.0.0.0/33"; allowed: a network like 10.20.0.0/24`},
		{"management:\n  controller: ten\n", `rack.yaml line 2: management.controller is "ten"; allowed: an address like 10.20.0.11`},
		{"management:\n  controller: 10.20.0.150\n", `rack.yaml line 2: management.controller is "10.20.0.150"; allowed: an address outside the range 10.20.0.100 to 10.20.0.199, which is given to other machines`},
		{"management:\n  controller: 10.21.0.5\n", `rack.yaml line 2: management.controller is "10.21.0.5"; allowed: a host address inside management.network 10.20.0.0/24`},
		{"management:\n  range_to: 10.20.1.9\n", `rack.yaml line 2: management.range_to is "10.20.1.9"; allowed: a host address inside management.network 10.20.0.0/24`},
		{"management:\n  network: 10.20.0.0/24\n  range_from: 10.20.0.90\n  range_to: 10.20.0.80\n", `rack.yaml line 4: management.range_to is "10.20.0.80"; allowed: an address not below management.range_from 10.20.0.90`},
		{"management: {network: 'fd00::/64'}\n", `rack.yaml line 1: management.network is "fd00::/64"; allowed: an IPv4 network of /29 or larger`},
		{"tenant:\n  vlan_from: 300\n", `rack.yaml line 2: tenant.vlan_to is "199"; allowed: a VLAN id not below tenant.vlan_from 300`},
		{"tenant:\n  vlan_to: 5000\n", `rack.yaml line 2: tenant.vlan_to is "5000"; allowed: a VLAN id from 2 to 4094`},
		{"tenant:\n  vlan_to: many\n", `rack.yaml line 2: tenant.vlan_to is "many"; allowed: a whole number`},
		{"external:\n  nic: 52:54:00:00:00:01\n  address: 10.20.0.9/16\n", `rack.yaml line 3: external.address is "10.20.0.9/16"; allowed: a network that does not overlap management.network 10.20.0.0/24`},
		{"external:\n  dhcp: true\n", `rack.yaml line 2: external.nic is ""; allowed: the MAC address of the NIC that the external address belongs to`},
		{"external:\n  nic: eth0\n  dhcp: true\n", `rack.yaml line 2: external.nic is "eth0"; allowed: a MAC address like 52:54:00:12:34:56`},
		{"external:\n  nic: 52:54:00:00:00:01\n  dhcp: maybe\n", `rack.yaml line 3: external.dhcp is "maybe"; allowed: true or false`},
		{"ssh_keys:\n- AAAA\n", `rack.yaml line 2: ssh_keys[0] is "AAAA"; allowed: a public key line like ssh-ed25519 AAAA... you@host`},
		{"approve: perhaps\n", `rack.yaml line 1: approve is "perhaps"; allowed: auto, manual`},
		{"rules:\n- roles: [database]\n", `rack.yaml line 2: rules[0].roles[0] is "database"; allowed: [controller compute]`},
		{"rules:\n- name: x\n", `rack.yaml line 2: rules[0].roles is ""; allowed: one or more of [controller compute]`},
		{"rules:\n- roles: [compute]\n  disk:\n    wipe: yes\n", `rack.yaml line 4: rules[0].disk.wipe is "yes"; allowed: never, cairn, always`},
		{"rules:\n- roles: [compute]\n  disk: {min_gib: 4}\n", `rack.yaml line 3: rules[0].disk.min_gib is "4"; allowed: 12 or more`},
		{"rules:\n- roles: [compute]\n- roles: [compute]\n", `rack.yaml line 3: rules[1].name is "compute"; allowed: a name that no other rule has`},
		{"rules:\n- roles: [compute]\n  host: Big One\n", `rack.yaml line 3: rules[0].host is "Big One"; allowed: a host name in lower case with at most one %d`},
	} {
		_, err := ParseRack([]byte(c.raw))
		if err == nil {
			t.Errorf("%q was accepted", c.raw)
			continue
		}
		if d := cmp.Diff(c.want, err.Error()); d != "" {
			t.Errorf("%q: %s", c.raw, d)
		}
	}
}

func TestParseRackReportsEveryFault(t *testing.T) {
	_, err := ParseRack([]byte("approve: x\ntenant: {vlan_from: 1}\n"))
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("want two faults on two lines, got %v", err)
	}
	if _, err := ParseRack([]byte("a: [")); err == nil || !strings.HasPrefix(err.Error(), "rack.yaml is not YAML: ") {
		t.Errorf("got %v", err)
	}
}

func FuzzParseRack(f *testing.F) {
	f.Add([]byte("name: a\nrules: [{roles: [compute]}]\n"))
	f.Add([]byte("management: {network: 10.0.0.0/8}\nexternal: &a {nic: *a}\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseRack(raw)
		if (r == nil) == (err == nil) {
			t.Errorf("rack %v with error %v", r, err)
		}
	})
}
