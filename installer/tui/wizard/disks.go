package wizard

import (
	"errors"
	"slices"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// diskScreen asks for the disk, or for two.
func (m *Model) diskScreen() *screen {
	a := &m.a
	s := &screen{title: "New cloud, 3 of 5: disk", keys: "Up/Down move  Space choose  Enter go on  Esc back  Ctrl-L redraw  Ctrl-C leave"}
	s.items = func() []item {
		items := []item{note(plain, "Which disk shall the system be on? Two make a mirror (RAID 1).")}
		var all []string
		for _, d := range m.needs.Inventory.Disks {
			all = append(all, d.Path)
		}
		for _, d := range m.needs.Inventory.Disks {
			about := indented(6, diskLines(d))
			if unfit(d) != "" {
				items = append(items, says(append([]line{text(plain, "      "+diskTitle(d))}, about...)...))
				continue
			}
			i := check("disk "+d.Path, diskTitle(d), slices.Contains(a.disks, d.Path), func() { a.disks = flip(a.disks, d.Path, all) })
			i.fields = []string{"rules[0].disk"}
			items = append(items, i.with(about...))
		}
		if len(all) == 0 {
			items = append(items, note(warn, "The machine has no disk. Check that it has one, and that its controller is in use (a RAID controller may need a volume first)."))
		}
		return append(items, gap(), button("next", "[ Go on ]", func() Task { return s.next() }))
	}
	s.next = func() Task {
		s.trouble = ""
		switch len(a.disks) {
		case 0:
			s.say(bad, "Choose a disk with Space")
			return nil
		case 1, 2:
			return m.planned(s, m.nameScreen)
		default:
			s.say(bad, "Choose one disk, or two for a mirror")
			return nil
		}
	}
	return s
}

// planned goes on when there is a plan for the machine with the disks that
// were chosen. What refuses it is shown with its remedy.
func (m *Model) planned(s *screen, next func() *screen) Task {
	if s.failed(m.faults()) {
		return nil
	}
	rack, err := plan.ParseRack(m.a.rack(m.needs.Inventory, m.needs.Version))
	if err != nil {
		s.trouble = faultText(faultsOf(err))
		return nil
	}
	p, err := plan.Make(m.needs.Inventory, rack, plan.Options{Version: m.needs.Version, Local: true, Number: 1})
	if err != nil {
		s.trouble = refusal(err)
		return nil
	}
	if !m.meant(p) {
		s.trouble = "These two disks cannot be told from the others by model, bus or size, so rack.yaml cannot name them. Choose one, or two that are alike."
		return nil
	}
	m.push(next())
	return nil
}

// meant tells whether a plan is for the disks that were chosen.
func (m *Model) meant(p plan.Plan) bool {
	disks := []string{p.Disk.Path}
	if p.Mirror != nil {
		disks = append(disks, p.Mirror.Path)
	}
	slices.Sort(disks)
	chosen := slices.Sorted(slices.Values(m.a.disks))
	return slices.Equal(disks, chosen)
}

// refusal is an error in the words of its reason and remedy.
func refusal(err error) string {
	var r *plan.Refusal
	if errors.As(err, &r) {
		return r.Reason + ".\n" + r.Remedy + "."
	}
	return err.Error()
}
