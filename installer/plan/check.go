package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A checker looks at what takes more than one field to be told. Single fields
// have been checked when they were read.
type checker struct {
	lines  lines
	faults []*RackError
}

// fault notes that a field's value is not allowed.
func (c *checker) fault(field string, value any, allowed string) {
	c.faults = append(c.faults, &RackError{Line: c.lines.of(field), Field: field,
		Value: strconv.Quote(fmt.Sprint(value)), Allowed: allowed})
}

// sound tells whether nothing is wrong with any field under the paths: what
// follows from a fault is not reported beside it.
func (c *checker) sound(paths ...string) bool {
	return !slices.ContainsFunc(c.faults, func(f *RackError) bool {
		return slices.ContainsFunc(paths, func(p string) bool {
			rest, under := strings.CutPrefix(f.Field, p)
			return under && (rest == "" || rest[0] == '.' || rest[0] == '[')
		})
	})
}

func (c *checker) rack(r *Rack) {
	if c.sound("management") {
		c.management(&r.Management)
	}
	if c.sound("tenant", "management.vlan") {
		c.tenant(r)
	}
	if c.sound("external", "management") {
		c.external(r)
	}
	if c.sound("management", "external") {
		c.overlaps(r)
	}
	for i := range r.Rules {
		if at := fmt.Sprintf("rules[%d]", i); c.sound(at) {
			c.rule(at, &r.Rules[i], r.Rules[:i])
		}
	}
	for i := range r.Machines {
		if at := fmt.Sprintf("machines[%d]", i); c.sound(at) {
			c.machine(at, r, i)
		}
	}
}

func (c *checker) tenant(r *Rack) {
	t, m := r.Tenant, r.Management
	if t.VLANTo < t.VLANFrom {
		c.fault("tenant.vlan_to", t.VLANTo, fmt.Sprintf("a VLAN id not below tenant.vlan_from %d", t.VLANFrom))
		return
	}
	if m.VLAN != 0 && t.VLANFrom <= m.VLAN && m.VLAN <= t.VLANTo {
		c.fault("management.vlan", m.VLAN,
			fmt.Sprintf("a VLAN id outside %s, which projects get", span(t.VLANFrom, t.VLANTo)))
	}
}

func span(from, to int) string { return strconv.Itoa(from) + " to " + strconv.Itoa(to) }

func (c *checker) rule(at string, r *RoleRule, before []RoleRule) {
	if slices.ContainsFunc(before, func(b RoleRule) bool { return b.Name == r.Name }) {
		c.fault(at+".name", r.Name, "a name that no other rule has")
	}
	for _, name := range hostFields(r.Host) {
		if _, known := inventoryField(name); !known {
			c.fault(at+".host", r.Host, "in braces "+nearFields(name))
		}
	}
	c.disk(at+".disk", &r.Disk)
	if len(r.NICs.Members) > 0 && r.NICs.Bond == BondNone {
		c.fault(at+".nics.members", strings.Join(r.NICs.Members, " "), "nothing where nics.bond is none; set it to active-backup or 802.3ad")
	}
	if n := len(r.NICs.Members); r.NICs.Bond != BondNone && n == 1 && strings.Contains(r.NICs.Members[0], ":") {
		c.fault(at+".nics.members", r.NICs.Members[0], "two cards or more")
	}
	for i := range r.Data {
		c.disk(fmt.Sprintf("%s.data[%d].disk", at, i), &r.Data[i].Disk)
	}
}

func (c *checker) disk(at string, d *DiskRule) {
	if d.MaxGiB != 0 && d.MaxGiB < d.MinGiB {
		c.fault(at+".max_gib", d.MaxGiB, fmt.Sprintf("0 for any size, or not below min_gib %d", d.MinGiB))
	}
	if d.Mirror && (d.Serial != "" || d.Path != "") {
		field, value := ".serial", d.Serial
		if value == "" {
			field, value = ".path", d.Path
		}
		c.fault(at+field, value, "nothing where mirror is true: it takes two disks; use model, bus, rotational or size")
	}
}
