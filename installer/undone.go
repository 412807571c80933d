package installer

import (
	"fmt"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// undone refuses what a plan can ask for and this release does not do yet. A
// machine that was meant to be encrypted or mirrored and is not would look
// like one that is.
func undone(p plan.Plan) error {
	refuse := func(what, field string) error {
		return &plan.Refusal{Reason: fmt.Sprintf("the plan of rule %q has %s, which this release cannot make", p.Rule, what),
			Remedy: "Leave " + field + " out of that rule in rack.yaml, or install a newer release"}
	}
	switch {
	case p.Mirror != nil:
		return refuse("a mirror of "+p.Disk.Path+" and "+p.Mirror.Path, "disk.mirror")
	case len(p.Data) > 0:
		return refuse(fmt.Sprintf("%d disks for data", len(p.Data)), "data")
	case p.Encrypt != "" && p.Encrypt != plan.CryptTPM:
		return refuse(fmt.Sprintf("a data partition that is encrypted with a key of the %s", p.Encrypt), "encrypt")
	}
	return nil
}
