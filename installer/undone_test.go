package installer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// TestWhatIsNotDoneIsRefused looks that nothing is written then.
func TestWhatIsNotDoneIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, []byte("somebody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, b := plan.Disk{Path: path}, plan.Disk{Path: "/dev/vdb"}
	for _, c := range []struct {
		plan plan.Plan
		want string
	}{
		{plan.Plan{Rule: "r", Disk: a, Mirror: &b},
			`the plan of rule "r" has a mirror of ` + path + ` and /dev/vdb, which this release cannot make. Leave disk.mirror out of that rule in rack.yaml, or install a newer release.`},
		{plan.Plan{Rule: "r", Disk: a, Data: []plan.DataDisk{{Disk: b}}},
			`the plan of rule "r" has 1 disks for data, which this release cannot make. Leave data out of that rule in rack.yaml, or install a newer release.`},
		{plan.Plan{Rule: "r", Disk: a, Encrypt: plan.CryptDeployer},
			`the plan of rule "r" has a data partition that is encrypted with a key of the deployer, which this release cannot make. Leave encrypt out of that rule in rack.yaml, or install a newer release.`},
	} {
		w := &writer{plan: c.plan, phases: newPhases(t.Logf, func(plan.Progress) {})}
		if err := w.with(w.partition); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "somebody's" {
		t.Errorf("the disk holds %q, %v", b, err)
	}
}
