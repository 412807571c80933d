package lab

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/qa/lab/shape"
)

func TestWhatBecameOfAMachine(t *testing.T) {
	fit := Machine{shape.Machine{Name: "fit", Firmware: "bios", MemoryMiB: 1024, NICs: []shape.Network{shape.Trunk, shape.Trunk}}, 2}
	misfit := fit
	misfit.Refused = "no disk. Put one in."
	for _, c := range []struct {
		m       Machine
		d       deployed
		settled bool
		wrong   string
	}{
		{fit, deployed{State: "installing"}, false, ""},
		{fit, deployed{State: "ready"}, true, ""},
		{fit, deployed{State: "failed", Reason: "x"}, true, "it has failed; wanted: ready"},
		{misfit, deployed{State: "booting"}, false, ""},
		{misfit, deployed{State: "ready"}, true, "it is ready; wanted: refused, since no disk. Put one in."},
		{misfit, deployed{State: "failed", Reason: "no disk. Put one in."}, true, ""},
		{misfit, deployed{State: "failed", Reason: "no card."}, true, "it is refused for another reason; wanted: no disk. Put one in."},
	} {
		c.d.MACs = []string{"52:54:00:ca:02:02"} // it booted from its second card
		o, ok := became(&c.m, []deployed{{MACs: []string{"52:54:00:ca:03:01"}, State: "ready"}, c.d})
		if ok != c.settled || o.Wrong != c.wrong {
			t.Errorf("%s is %s: settled %t, %q; want %t, %q", c.m.Name, c.d.State, ok, o.Wrong, c.settled, c.wrong)
		}
	}
}

func TestTableOfOutcomes(t *testing.T) {
	all := []Outcome{
		{Machine: "controller", Shape: "BIOS, 2 NICs", Became: "ready"},
		{Machine: "small", Shape: "UEFI, 1 NIC", Became: "refused", Reason: "the disk is too small: rule \"compute\" needs 12 GiB, and the machine has /dev/vda (8.0 GiB, serial small). Put in a disk of 12 GiB or more."},
		{Machine: "odd", Shape: "BIOS", Became: "ready", Wrong: "it is ready; wanted: refused"},
	}
	want := `
machine      became   shape, and why
controller   ready    BIOS, 2 NICs
small        refused  UEFI, 1 NIC
                      the disk is too small: rule "compute" needs 12 GiB, and the machine has /dev/vda (8.0 GiB,
                      serial small). Put in a disk of 12 GiB or more.
odd          ready    BIOS
                      it is ready; wanted: refused
`
	if d := cmp.Diff(want, outcomes(all)); d != "" {
		t.Error(d)
	}
	if err := wrong(all); err == nil || err.Error() != "not what the shapes say: odd: it is ready; wanted: refused" {
		t.Error(err)
	}
	if err := wrong(all[:2]); err != nil {
		t.Error(err)
	}
}
