package plan

import (
	"fmt"
	"slices"
	"strings"
)

// systemDisks finds the disk that the system is put on, or the two of a
// mirror.
func (m *maker) systemDisks() error {
	if len(m.inv.Disks) == 0 {
		return refuse("Check that it has one, and that its controller is in use (a RAID controller may need a volume first)",
			"the machine has no disk")
	}
	chosen, err := m.chooseSystem()
	if err != nil {
		return err
	}
	for _, d := range chosen {
		if err := m.mayWipe(d, &m.rule.Disk, "disk"); err != nil {
			return err
		}
		if d.Health != nil && !d.Health.OK {
			m.warn("disk %s says that it is failing, and rack.yaml asks for it by its serial number: %s", d, d.Health.why())
		}
		for _, c := range d.Contents {
			if len(chosen) > 1 {
				c = d.Path + ": " + c
			}
			m.plan.Wipes = append(m.plan.Wipes, c)
		}
	}
	m.plan.Disk = chosen[0]
	m.plan.Partitions = Layout(chosen[0].Size)
	if len(chosen) == 2 {
		m.plan.Mirror = &chosen[1]
		m.plan.Partitions = Layout(min(chosen[0].Size, chosen[1].Size))
	}
	return nil
}

// chooseSystem is one disk, or two where the rule wants a mirror.
func (m *maker) chooseSystem() ([]Disk, error) {
	s, err := m.candidates("system", m.o.Disk)
	if err != nil {
		return nil, err
	}
	if m.rule.Disk.Mirror && m.o.Disk == "" {
		return m.choosePair(s)
	}
	choose := m.rule.Disk.Choose
	if m.o.Disk != "" {
		choose = ChooseOnly
	}
	if choose == ChooseOnly && len(s.left) > 1 {
		s.take(nil, ChooseOnly)
		return nil, refuse("Set disk.choose (smallest, largest, first), disk.serial or disk.path in that rule",
			"several disks could be meant by rule %q: %s", m.rule.Name, diskList(s.left))
	}
	first := sorted(s.left, choose)[:1]
	s.take(first, choose)
	if !m.rule.Disk.Mirror {
		return first, nil
	}
	return m.chooseSecond(first[0])
}

// choosePair finds the two disks of a mirror: the first in the order of
// choose that are alike in size, else the first two.
func (m *maker) choosePair(s *sieve) ([]Disk, error) {
	choose := m.rule.Disk.Choose
	switch {
	case len(s.left) < 2:
		return nil, m.noMirror(s.left)
	case choose == ChooseOnly && len(s.left) > 2:
		return nil, m.manyMirrors(s)
	}
	list := sorted(s.left, choose)
	pair := list[:2]
	for i := range list {
		j := slices.IndexFunc(list[i+1:], func(d Disk) bool { return alike(d.Size, list[i].Size) })
		if j >= 0 {
			pair = []Disk{list[i], list[i+1+j]}
			break
		}
	}
	s.take(pair, choose)
	m.warnUneven(pair[0], pair[1])
	return slices.Clone(pair), nil
}

// chooseSecond finds the other disk of a mirror of which a person named one.
func (m *maker) chooseSecond(first Disk) ([]Disk, error) {
	others := func(d Disk) bool {
		return m.rule.Disk.against(d, "") == "" && takenBy(d, []Disk{first}) == ""
	}
	if !slices.ContainsFunc(m.inv.Disks, others) {
		return nil, m.noMirror([]Disk{first})
	}
	s, err := m.candidates("mirror", "", first)
	if err != nil {
		return nil, err
	}
	choose := m.rule.Disk.Choose
	if choose == ChooseOnly && len(s.left) > 1 {
		return nil, m.manyMirrors(s)
	}
	second := sorted(s.left, choose)[:1]
	s.take(second, choose)
	m.warnUneven(first, second[0])
	return []Disk{first, second[0]}, nil
}

func (m *maker) noMirror(left []Disk) error {
	return refuse("Put in a second one, or set disk.mirror: false in that rule",
		"rule %q installs on a mirror of two disks, and the machine has one that can be used: %s (all: %s)",
		m.rule.Name, diskList(left), diskList(m.inv.Disks))
}

func (m *maker) manyMirrors(s *sieve) error {
	s.take(nil, ChooseOnly)
	return refuse("Set disk.choose (smallest, largest, first), disk.model, disk.bus or disk.max_gib in that rule",
		"several disks could be meant by the mirror of rule %q: %s", m.rule.Name, diskList(s.left))
}

// alike tells whether two sizes differ by less than a hundredth: makers do
// not count alike.
func alike(a, b int64) bool { return max(a, b)-min(a, b) < max(a, b)/100 }

func (m *maker) warnUneven(a, b Disk) {
	if !alike(a.Size, b.Size) {
		m.warn("the disks of the mirror differ: %s of the larger of %s and %s stay unused",
			gib(max(a.Size, b.Size)-min(a.Size, b.Size)), a.Path, b.Path)
	}
}

// dataDisks finds the disks for data of the machine's roles.
func (m *maker) dataDisks() error {
	taken := []Disk{m.plan.Disk}
	if m.plan.Mirror != nil {
		taken = append(taken, *m.plan.Mirror)
	}
	for i := range m.rule.Data {
		chosen, err := m.chooseData(i, taken)
		if err != nil {
			return err
		}
		for _, d := range chosen {
			if err := m.mayWipe(d, &m.rule.Data[i].Disk, fmt.Sprintf("data[%d].disk", i)); err != nil {
				return err
			}
			if d.Health != nil && !d.Health.OK {
				m.warn("disk %s, for %s, says that it is failing: %s", d, m.rule.Data[i].Use, d.Health.why())
			}
			m.plan.Data = append(m.plan.Data, DataDisk{Disk: d, Use: m.rule.Data[i].Use, Wipes: d.Contents})
			taken = append(taken, d)
		}
	}
	return nil
}

func (m *maker) chooseData(i int, taken []Disk) ([]Disk, error) {
	r := &m.rule.Data[i]
	s := &sieve{m, r.Use, slices.Clone(m.inv.Disks)}
	s.out(func(d Disk) string { return takenBy(d, taken) })
	s.out(func(d Disk) string { return r.Disk.against(d, "") })
	s.out(readOnly)
	s.out(r.Disk.tooSmall)
	s.out(s.sameDisk)
	if want := max(1, r.Count); len(s.left) < want {
		return nil, refuse("Put in what is missing, or correct "+fmt.Sprintf("data[%d]", i)+" of that rule",
			"rule %q needs %s for %s (%s of %d GiB or more), and beside the system the machine has %s", m.rule.Name,
			atLeast(want, r.Count == 0), r.Use, r.Disk.asks(""), r.Disk.MinGiB, orNone(diskList(s.left)))
	}
	list := sorted(s.left, r.Disk.Choose)
	if r.Count > 0 {
		list = list[:r.Count]
	}
	s.take(list, strings.TrimSpace(fmt.Sprintf("%s, count %d", r.Disk.Choose, r.Count)))
	return list, nil
}

func atLeast(n int, more bool) string {
	switch {
	case more:
		return "one disk or more"
	case n == 1:
		return "one disk"
	}
	return fmt.Sprintf("%d disks", n)
}
