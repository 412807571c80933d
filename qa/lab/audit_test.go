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
