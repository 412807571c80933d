package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-cloud/cairn/node/spec"
)

// Handovers of an installation to the installed system.
const (
	HandoverKexec  = "kexec" // falls back to reboot
	HandoverReboot = "reboot"
)

// Options are what a plan depends on beside machine and rack.
type Options struct {
	Version string // of the release
	Local   bool   // installs from the medium: becomes the first controller
	// Number replaces %d in the host name. Whoever hands out plans counts the
	// machines of each rule from 1.
	Number int
	Disk   string // path or serial number that a person named; overrules the rule's choice, not its wipe
}

// Make joins a machine and its rack into a plan, or refuses with a [Refusal].
func Make(inv Inventory, r *Rack, o Options) (Plan, error) {
	rule, err := MatchRule(inv, r, o.Local)
	if err != nil {
		return Plan{}, err
	}
	if o.Local && !slices.Contains(rule.Roles, spec.RoleController) {
		return Plan{}, refuse("Give the rule the role controller, or boot this machine from the network",
			"the first machine of a rack has to be a controller, and rule %q gives this one %v", rule.Name, rule.Roles)
	}
	disk, err := chooseDisk(inv, rule, o.Disk)
	if err != nil {
		return Plan{}, err
	}
	if err := mayWipe(disk, rule); err != nil {
		return Plan{}, err
	}
	nics, err := chooseNICs(inv, r, rule, o.Local)
	if err != nil {
		return Plan{}, err
	}
	return Plan{
		Machine:    inv.Machine,
		Rule:       rule.Name,
		HostName:   strings.ReplaceAll(rule.Host, "%d", strconv.Itoa(max(1, o.Number))),
		Roles:      rule.Roles,
		Disk:       disk,
		Wipes:      disk.Contents,
		Partitions: Layout(disk.Size),
		Version:    o.Version,
		Handover:   HandoverKexec,
		Management: nics.management,
		Tenant:     nics.tenant,
		External:   nics.external,
	}, nil
}

// MatchRule is the first rule that a machine meets.
func MatchRule(inv Inventory, r *Rack, local bool) (*RoleRule, error) {
	for i := range r.Rules {
		if r.Rules[i].Match.meets(inv, local) {
			return &r.Rules[i], nil
		}
	}
	var macs []string
	for _, n := range inv.NICs {
		macs = append(macs, n.MAC)
	}
	return nil, refuse("Add a rule that this machine meets to rack.yaml; a rule without match is met by all",
		"no rule matches machine %s (serial %s, %d CPUs, %d MiB, NICs %s; rules: %s)",
		inv.Machine, orNone(inv.Serial), inv.CPUs, inv.MemoryMiB, orNone(strings.Join(macs, " ")), ruleNames(r))
}

func ruleNames(r *Rack) string {
	var names []string
	for _, rule := range r.Rules {
		names = append(names, rule.Name)
	}
	return strings.Join(names, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (m *Match) meets(inv Inventory, local bool) bool {
	switch {
	case m.Local != nil && *m.Local != local,
		len(m.Machine) > 0 && !containsFold(m.Machine, inv.Machine),
		len(m.Serial) > 0 && !containsFold(m.Serial, inv.Serial),
		inv.MemoryMiB < m.MinMemoryMiB,
		inv.CPUs < m.MinCPUs:
		return false
	}
	return len(m.MAC) == 0 || slices.ContainsFunc(inv.NICs, func(n NIC) bool { return containsFold(m.MAC, n.MAC) })
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(x, s) })
}

// gib says a size in bytes as people do.
func gib(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
