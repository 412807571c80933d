package wizard

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// plainWord is what YAML takes as it stands.
var plainWord = regexp.MustCompile(`^[a-z0-9/][A-Za-z0-9._/-]*$`)

// A writer of YAML: lines with two blanks per level.
type yaml struct{ b strings.Builder }

func (y *yaml) line(level int, format string, args ...any) {
	y.b.WriteString(strings.Repeat("  ", level) + fmt.Sprintf(format, args...) + "\n")
}

// field writes a value that is not empty.
func (y *yaml) field(level int, name, value string) {
	if value != "" {
		y.line(level, "%s: %s", name, quoted(value))
	}
}

// quoted is a string as YAML takes it for one: JSON's form is one of YAML's.
func quoted(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

func quotedList(list []string) string {
	var words []string
	for _, s := range list {
		words = append(words, quoted(s))
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// rack is the text of rack.yaml. It says what was decided, and leaves the
// rest to the defaults.
func (a *answers) rack(inv plan.Inventory, version string) []byte {
	y := &yaml{}
	y.line(0, "# Made by the installer of Cairn %s, as a person at the console decided.", clean(version))
	y.field(0, "name", a.name)
	a.management(y)
	a.externalPart(y)
	if len(a.keys) > 0 {
		y.line(0, "ssh_keys:")
		for _, k := range a.keys {
			y.line(0, "- %s", quoted(k))
		}
	}
	y.line(0, "rules:")
	y.line(0, "- name: controller")
	y.line(1, "match: {local: true}")
	y.line(1, "roles: [%s]", a.roles())
	y.line(1, "host: %s", quoted(a.hostName()))
	a.diskPart(y, inv)
	if len(a.cards) > 1 {
		y.line(1, "nics: {bond: %s, members: %s}", a.bond, quotedList(a.cards))
	}
	y.line(0, "- name: compute")
	y.line(1, "match: {local: false}")
	y.line(1, "roles: [compute]")
	return []byte(y.b.String())
}

func (a *answers) roles() string {
	if a.serves {
		return "controller, compute"
	}
	return "controller"
}

// hostName is the name of the machine; one that was not typed counts.
func (a *answers) hostName() string {
	if a.host == "" {
		return "controller1"
	}
	return a.host
}

func (a *answers) management(y *yaml) {
	part := &yaml{}
	part.field(1, "network", a.network)
	part.field(1, "controller", a.controller)
	part.field(1, "range_from", a.rangeFrom)
	part.field(1, "range_to", a.rangeTo)
	part.field(1, "vlan", a.vlan)
	if len(a.cards) == 1 {
		part.field(1, "nic", a.cards[0])
	}
	if part.b.Len() > 0 {
		y.line(0, "management:")
		y.b.WriteString(part.b.String())
	}
}

func (a *answers) externalPart(y *yaml) {
	if a.external == "" {
		return
	}
	y.line(0, "external:")
	y.field(1, "nic", a.external)
	if a.dhcp {
		y.line(1, "dhcp: true")
		return
	}
	y.field(1, "address", a.address)
	y.field(1, "gateway", a.gateway)
}

// diskPart names the disks. One is named by its serial number, or by its path
// where it has none of its own.
func (a *answers) diskPart(y *yaml, inv plan.Inventory) {
	var disks []plan.Disk
	for _, d := range inv.Disks {
		if slices.Contains(a.disks, d.Path) {
			disks = append(disks, d)
		}
	}
	y.line(1, "disk:")
	if len(disks) == 1 {
		key, value := diskName(disks[0], inv.Disks)
		y.field(2, key, value)
	}
	if len(disks) > 1 {
		for _, w := range selectors(disks, inv.Disks) {
			y.line(2, "%s", w)
		}
		y.line(2, "mirror: true")
	}
	y.line(2, "wipe: %s", wipeOf(disks))
}

// diskName is what tells a disk from all others.
func diskName(d plan.Disk, all []plan.Disk) (key, value string) {
	same := 0
	for _, o := range all {
		if o.Serial == d.Serial {
			same++
		}
	}
	if d.Serial != "" && same == 1 && clean(d.Serial) == d.Serial {
		return "serial", d.Serial
	}
	return "path", d.Path
}

// wipeOf is the least that has to be allowed.
func wipeOf(disks []plan.Disk) string {
	wipe := plan.WipeNever
	for _, d := range disks {
		switch {
		case len(d.Contents) == 0 || d.Unfinished:
		case d.Installed != "" && wipe != plan.WipeAlways:
			wipe = plan.WipeCairn
		default:
			wipe = plan.WipeAlways
		}
	}
	return wipe
}

// selectors are the fields of a disk rule that mean these disks and no other
// one, as far as there are such.
func selectors(disks, all []plan.Disk) []string {
	lo, hi := disks[0].Size, disks[0].Size
	for _, d := range disks {
		lo, hi = min(lo, d.Size), max(hi, d.Size)
	}
	for _, try := range []struct {
		lines []string
		means func(plan.Disk) bool
	}{
		{[]string{"choose: first"}, func(d plan.Disk) bool { return !d.Removable && d.Size >= plan.MinDiskGiB<<30 }},
		{[]string{"bus: " + quoted(disks[0].Bus), "choose: first"}, func(d plan.Disk) bool { return d.Bus == disks[0].Bus }},
		{[]string{"model: " + quoted(disks[0].Model), "choose: first"}, func(d plan.Disk) bool { return d.Model == disks[0].Model }},
		{[]string{fmt.Sprintf("min_gib: %d", lo>>30), fmt.Sprintf("max_gib: %d", hi>>30+1), "choose: first"},
			func(d plan.Disk) bool { return d.Size>>30 >= lo>>30 && d.Size <= (hi>>30+1)<<30 }},
	} {
		var meant []string
		for _, d := range all {
			if !d.Medium && try.means(d) {
				meant = append(meant, d.Path)
			}
		}
		if len(meant) == len(disks) && !slices.ContainsFunc(disks, func(d plan.Disk) bool { return !slices.Contains(meant, d.Path) }) {
			return try.lines
		}
	}
	return []string{"choose: first"}
}
