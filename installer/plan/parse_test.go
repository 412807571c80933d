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
