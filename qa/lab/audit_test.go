package lab

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFaultsNameControlAndItem(t *testing.T) {
	checks, bad := faults([]auditResult{
		{ID: "ssh", Findings: []finding{{Item: "a", OK: true}}},
		{ID: "sysctl", Findings: []finding{{Item: "b", OK: true}, {Item: "c", Found: "1", Wanted: "0"}}},
	})
	if checks != 3 {
		t.Errorf("got %d checks, want 3", checks)
	}
	if d := cmp.Diff([]string{"sysctl: c: found 1, wanted 0"}, bad); d != "" {
		t.Error(d)
	}
}

func TestAMachineMayRepeatItsAudit(t *testing.T) {
	a := attempts{}
	for _, c := range []struct {
		machine, made string
		last          bool
	}{
		{"m1", "100", false}, {"m1", "100", false}, {"m1", "100", false}, // the same one, read again
		{"m2", "100", false},
		{"m1", "200", false}, {"m1", "300", true},
		{"m2", "200", false},
	} {
		if got := a.last(c.machine, c.made); got != c.last {
			t.Errorf("%+v: got %t", c, got)
		}
	}
}
