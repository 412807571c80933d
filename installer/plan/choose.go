package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A DiskStep says of one disk what became of it, and why, when disks for
// something were chosen.
type DiskStep struct {
	Disk  Disk   `json:"disk"`
	For   string `json:"for"` // system, mirror, or the use of data disks
	Taken bool   `json:"taken"`
	Why   string `json:"why"`
}

// A sieve leaves the disks that a rule can mean.
type sieve struct {
	m    *maker
	use  string
	left []Disk
}

// out takes the disks out that the test has something against, and tells
// which.
func (s *sieve) out(against func(Disk) string) []Disk {
	var in, out []Disk
	for _, d := range s.left {
		why := against(d)
		if why == "" {
			in = append(in, d)
			continue
		}
		out = append(out, d)
		s.m.disks = append(s.m.disks, DiskStep{Disk: d, For: s.use, Why: why})
	}
	s.left = in
	return out
}

// take ends the choice: these, and the others not, since choose says so.
func (s *sieve) take(chosen []Disk, choose string) {
	for _, d := range s.left {
		step := DiskStep{Disk: d, For: s.use, Why: "choose is " + choose}
		if step.Taken = slices.ContainsFunc(chosen, func(c Disk) bool { return c.Path == d.Path }); step.Taken {
			step.Why = "meant by the rule"
		}
		s.m.disks = append(s.m.disks, step)
	}
}

// candidates are the disks that the system may be put on.
func (m *maker) candidates(use, named string, taken ...Disk) (*sieve, error) {
	rule := &m.rule.Disk
	s := &sieve{m, use, slices.Clone(m.inv.Disks)}
	s.out(func(d Disk) string { return takenBy(d, taken) })
	s.out(func(d Disk) string { return rule.against(d, named) })
	if len(s.left) == 0 {
		return nil, refuse("Change disk in that rule, or "+ParamDisk+" on the kernel line, to one that the machine has",
			"no disk is the one that rule %q asks for (%s); the machine has %s", m.rule.Name, rule.asks(named), diskList(m.inv.Disks))
	}
	if out := s.out(readOnly); len(s.left) == 0 {
		return nil, refuse("Remove its write protection", "%s is read-only", diskList(out))
	}
	if out := s.out(rule.tooSmall); len(s.left) == 0 {
		return nil, refuse(fmt.Sprintf("Put in a disk of %d GiB or more", rule.MinGiB),
			"the disk is too small: rule %q needs %d GiB, and the machine has %s", m.rule.Name, rule.MinGiB, diskList(out))
	}
	out := s.out(func(d Disk) string { return failing(d, cmp.Or(named, rule.Serial)) })
	if len(s.left) == 0 {
		return nil, refuse("Replace it; if it has to be used all the same, set disk.serial to its serial number in a rule for this machine",
			"%s says that it is failing: %s", diskList(out[:1]), out[0].Health.why())
	}
	for _, d := range out {
		m.warn("disk %s says that it is failing and was passed over: %s", d, d.Health.why())
	}
	s.out(s.sameDisk)
	return s, nil
}

func readOnly(d Disk) string {
	if d.ReadOnly {
		return "it is read-only"
	}
	return ""
}

func takenBy(d Disk, taken []Disk) string {
	if slices.ContainsFunc(taken, func(t Disk) bool { return t.Path == d.Path || t.WWN != "" && t.WWN == d.WWN }) {
		return "it is taken already"
	}
	return ""
}

func (r *DiskRule) tooSmall(d Disk) string {
	if d.Size < int64(r.MinGiB)<<30 {
		return fmt.Sprintf("%s is too small; wanted %d GiB or more", gib(d.Size), r.MinGiB)
	}
	return ""
}

// failing is what the disk says against itself, unless it was asked for by
// its serial number.
func failing(d Disk, named string) string {
	if d.Health == nil || d.Health.OK || named != "" && (named == d.Serial || named == d.WWN) {
		return ""
	}
	return "it says that it is failing: " + d.Health.why()
}

func (h *Health) why() string {
	if h.Why == "" {
		return "it does not say why"
	}
	return h.Why
}

// sameDisk finds a disk that is there twice, by two paths.
func (s *sieve) sameDisk(d Disk) string {
	for _, o := range s.left {
		if o.Path == d.Path {
			break
		}
		if d.WWN != "" && o.WWN == d.WWN {
			return "it is " + o.Path + " by another path: both have the WWN " + d.WWN
		}
	}
	return ""
}

// sorted are the disks in the order that choose says; alike ones stay in the
// order of the inventory.
func sorted(disks []Disk, choose string) []Disk {
	disks = slices.Clone(disks)
	slices.SortStableFunc(disks, func(a, b Disk) int {
		switch choose {
		case ChooseSmallest:
			return cmp.Compare(a.Size, b.Size)
		case ChooseLargest:
			return cmp.Compare(b.Size, a.Size)
		}
		return 0
	})
	return disks
}

// mayWipe refuses a disk with contents that the rule does not give up. at is
// where the rule says so.
func (m *maker) mayWipe(d Disk, r *DiskRule, at string) error {
	if len(d.Contents) == 0 || d.Unfinished || r.Wipe == WipeAlways || r.Wipe == WipeCairn && d.Installed != "" {
		return nil
	}
	remedy := "Set " + at + ".wipe: always in that rule if all of it may be lost, or choose another disk"
	if d.Installed != "" {
		remedy = "Set " + at + ".wipe: cairn in that rule if this installation may be lost, or choose another disk"
	}
	return refuse(remedy, "%s holds data that rule %q does not allow to wipe: %s", d, m.rule.Name, strings.Join(d.Contents, "; "))
}
