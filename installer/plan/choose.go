package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// chooseDisk finds the one disk that the rule means.
func chooseDisk(inv Inventory, rule *RoleRule, named string) (Disk, error) {
	if len(inv.Disks) == 0 {
		return Disk{}, refuse("Check that it has one, and that its controller is in use (a RAID controller may need a volume first)",
			"the machine has no disk")
	}
	meant := slices.DeleteFunc(slices.Clone(inv.Disks), func(d Disk) bool { return !rule.Disk.means(d, named) })
	if len(meant) == 0 {
		return Disk{}, refuse("Change disk in that rule, or "+ParamDisk+" on the kernel line, to one that the machine has",
			"no disk is the one that rule %q asks for (%s); the machine has %s", rule.Name, rule.Disk.asks(named), diskList(inv.Disks))
	}
	writable := slices.DeleteFunc(slices.Clone(meant), func(d Disk) bool { return d.ReadOnly })
	if len(writable) == 0 {
		return Disk{}, refuse("Remove its write protection",
			"%s is read-only", diskList(meant))
	}
	fit := slices.DeleteFunc(slices.Clone(writable), func(d Disk) bool { return d.Size < int64(rule.Disk.MinGiB)<<30 })
	if len(fit) == 0 {
		return Disk{}, refuse(fmt.Sprintf("Put in a disk of %d GiB or more", rule.Disk.MinGiB),
			"the disk is too small: rule %q needs %d GiB, and the machine has %s", rule.Name, rule.Disk.MinGiB, diskList(writable))
	}
	return pick(fit, rule, named)
}

func pick(fit []Disk, rule *RoleRule, named string) (Disk, error) {
	if named != "" || rule.Disk.Choose == ChooseOnly {
		if len(fit) > 1 {
			return Disk{}, refuse("Set disk.choose (smallest, largest, first), disk.serial or disk.path in that rule",
				"several disks could be meant by rule %q: %s", rule.Name, diskList(fit))
		}
		return fit[0], nil
	}
	slices.SortStableFunc(fit, func(a, b Disk) int {
		switch rule.Disk.Choose {
		case ChooseSmallest:
			return cmp.Compare(a.Size, b.Size)
		case ChooseLargest:
			return cmp.Compare(b.Size, a.Size)
		default:
			return 0
		}
	})
	return fit[0], nil
}

// means tells whether the rule can mean the disk at all. Removable disks are
// meant only by name, and the medium that we install from never.
func (r *DiskRule) means(d Disk, named string) bool {
	if d.Medium {
		return false
	}
	if named != "" {
		return d.Path == named || d.Serial == named
	}
	switch {
	case r.Path != "" && r.Path != d.Path,
		r.Serial != "" && r.Serial != d.Serial,
		r.Model != "" && !strings.Contains(strings.ToLower(d.Model), strings.ToLower(r.Model)),
		r.Bus != "" && r.Bus != d.Bus,
		r.MaxGiB != 0 && d.Size > int64(r.MaxGiB)<<30,
		d.Removable && r.Path == "" && r.Serial == "" && r.Bus == "":
		return false
	}
	return true
}

// asks says in words what the rule wants.
func (r *DiskRule) asks(named string) string {
	if named != "" {
		return ParamDisk + "=" + named
	}
	var words []string
	for _, w := range []struct{ key, value string }{
		{"path", r.Path}, {"serial", r.Serial}, {"model", r.Model}, {"bus", r.Bus},
	} {
		if w.value != "" {
			words = append(words, w.key+" "+w.value)
		}
	}
	if r.MaxGiB != 0 {
		words = append(words, fmt.Sprintf("at most %d GiB", r.MaxGiB))
	}
	if len(words) == 0 {
		return "any disk that is not removable"
	}
	return strings.Join(words, ", ")
}

// diskList names disks so that a person can tell them apart.
func diskList(disks []Disk) string {
	var words []string
	for _, d := range disks {
		words = append(words, d.String())
	}
	return strings.Join(words, ", ")
}

// String names the disk, its size and what it is.
func (d Disk) String() string {
	words := []string{gib(d.Size)}
	if d.Model != "" {
		words = append(words, d.Model)
	}
	if d.Serial != "" {
		words = append(words, "serial "+d.Serial)
	}
	for _, flag := range []struct {
		set  bool
		word string
	}{{d.Removable, "removable"}, {d.ReadOnly, "read-only"}, {d.Medium, "the installation medium"}} {
		if flag.set {
			words = append(words, flag.word)
		}
	}
	return d.Path + " (" + strings.Join(words, ", ") + ")"
}

// mayWipe refuses a disk with contents that the rule does not give up.
func mayWipe(d Disk, rule *RoleRule) error {
	if len(d.Contents) == 0 || d.Unfinished || rule.Disk.Wipe == WipeAlways {
		return nil
	}
	if rule.Disk.Wipe == WipeCairn && d.Installed != "" {
		return nil
	}
	remedy := "Set disk.wipe: always in that rule if all of it may be lost, or choose another disk"
	if d.Installed != "" {
		remedy = "Set disk.wipe: cairn in that rule if this installation may be lost, or choose another disk"
	}
	return refuse(remedy, "%s holds data that rule %q does not allow to wipe: %s", d, rule.Name, strings.Join(d.Contents, "; "))
}
