package fleet

import (
	"errors"
	"testing"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// TestRefresh: a machine that waits for a person gets another disk; its
// inventory is asked for once.
func TestRefresh(t *testing.T) {
	k := newRack(t, func(c *Config) { c.Rack.Approve = plan.ApproveManual })
	if _, err := k.Refresh(id1); !errors.Is(err, ErrUnknown) {
		t.Errorf("a machine that nobody knows: %v", err)
	}
	ticket := k.boot(mac1, id1).Ticket
	if _, err := k.Refresh(id1); !errors.Is(err, ErrState) {
		t.Errorf("a machine that has sent none: %v", err)
	}
	k.inventory(ticket, mac1, id1)
	if _, err := k.Refresh(id1); err != nil {
		t.Fatal(err)
	}
	for range 2 { // until it does
		if a := k.asks(ticket, id1); !a.Again || a.Plan != nil {
			t.Errorf("got %+v", a)
		}
	}
	inv := inventory(mac1, id1)
	inv.Disks[0].Size = 40 << 30
	if a, err := k.Inventory(ticket, id1, inv); err != nil || a.Again {
		t.Errorf("got %+v, %v", a, err)
	}
	if a := k.asks(ticket, id1); a.Again {
		t.Errorf("it is asked again: %+v", a)
	}
	if m := k.state(id1, Matched); m.Plan.Disk.Size != 40<<30 {
		t.Errorf("the plan is for %s", m.Plan.Disk)
	}
}
