package plan

import (
	"fmt"
	"strings"
)

// String is the explanation for people.
func (x Explanation) String() string {
	var b strings.Builder
	inv := &x.Inventory
	fmt.Fprintf(&b, "machine %s: %s\n", x.Machine, strings.Join(notEmpty(
		strings.TrimSpace(inv.Vendor+" "+inv.Product), "serial "+orNone(inv.Serial), inv.Firmware,
		fmt.Sprintf("%d CPUs", inv.CPUs), fmt.Sprintf("%d MiB", inv.MemoryMiB), tpmWords(inv.TPM)), ", "))
	if x.Known != "" {
		fmt.Fprintf(&b, "rack.yaml knows it: %s\n", x.Known)
	}
	b.WriteString("\nrules\n")
	for i, r := range x.Rules {
		x.printRule(&b, i, r)
	}
	x.printDisks(&b)
	x.printCards(&b)
	b.WriteString("\n")
	if x.Plan == nil {
		fmt.Fprintf(&b, "refused: %s.\nremedy:  %s.\n", x.Refused, x.Remedy)
		return b.String()
	}
	fmt.Fprintf(&b, "plan\n  %-12s %s\n", "address", x.Address)
	for _, line := range strings.Split(strings.TrimSuffix(x.Plan.String(), "\n"), "\n") {
		b.WriteString("  " + line + "\n")
	}
	return b.String()
}

// mark shows at a glance what holds.
func mark(yes bool) string {
	if yes {
		return "+"
	}
	return "-"
}

func (x Explanation) printRule(b *strings.Builder, i int, r RuleStep) {
	fmt.Fprintf(b, "  %s %d %q %v, %s: %s\n", mark(r.Holds), i+1, r.Rule, r.Roles, r.Seats, r.Why)
	for _, c := range r.Conditions {
		fmt.Fprintf(b, "      %s %-16s wanted %s, found %s\n", mark(c.Met), c.Field, c.Wanted, c.Found)
	}
}

func (x Explanation) printDisks(b *strings.Builder) {
	if len(x.Inventory.Disks) == 0 {
		b.WriteString("\ndisks\n  none\n")
		return
	}
	if len(x.Disks) == 0 {
		return
	}
	last := ""
	for _, d := range x.Disks {
		if d.For != last {
			fmt.Fprintf(b, "\ndisks for %s\n", d.For)
			last = d.For
		}
		fmt.Fprintf(b, "  %s %s: %s\n", mark(d.Taken), d.Disk, d.Why)
	}
}

func (x Explanation) printCards(b *strings.Builder) {
	b.WriteString("\nnetwork cards\n")
	if len(x.Inventory.NICs) == 0 {
		b.WriteString("  none\n")
	}
	for _, n := range x.Inventory.NICs {
		words := []string{n.Driver, "no link"}
		if n.Link {
			words[1] = "link"
		}
		if n.SpeedMbps > 0 {
			words = append(words, fmt.Sprintf("%d Mbit/s", n.SpeedMbps))
		}
		if n.LLDP != nil {
			words = append(words, "at "+n.LLDP.Switch+" "+n.LLDP.Port)
		}
		if n.MAC == x.Inventory.BootMAC {
			words = append(words, "booted from it")
		}
		fmt.Fprintf(b, "  %s %s: %s%s\n", n.Name, n.MAC, strings.Join(notEmpty(words...), ", "), x.use(n.MAC))
	}
}

// use says which networks a card serves.
func (x Explanation) use(mac string) string {
	p := x.Plan
	if p == nil {
		return ""
	}
	var uses []string
	for _, u := range []struct {
		name, mac string
		bond      *Bond
	}{{"management", p.Management, p.Bond}, {"tenant", p.Tenant, p.Bond}, {"external", p.External, nil}} {
		on := u.mac == mac
		if u.bond != nil && u.mac == p.Management {
			on = strings.Contains(strings.Join(u.bond.Members, " "), mac)
		}
		if on {
			uses = append(uses, u.name)
		}
	}
	if len(uses) == 0 {
		return "; not used"
	}
	return "; " + strings.Join(uses, ", ")
}

// notEmpty leaves out the words that are empty.
func notEmpty(words ...string) []string {
	var list []string
	for _, w := range words {
		if strings.TrimSpace(w) != "" {
			list = append(list, w)
		}
	}
	return list
}
