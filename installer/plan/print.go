package plan

import (
	"fmt"
	"strings"
)

// String is the plan for people: what becomes of the machine, what is lost,
// and the table that its disk gets.
func (p Plan) String() string {
	var b strings.Builder
	line := func(key, format string, args ...any) {
		b.WriteString(strings.TrimRight(fmt.Sprintf("%-12s "+format, append([]any{key}, args...)...), " ") + "\n")
	}
	line("machine", "%s", p.Machine)
	line("becomes", "%s, %v (rule %q)", p.HostName, p.Roles, p.Rule)
	if p.Version != "" {
		line("version", "%s", p.Version)
	}
	p.printNetworks(line)
	p.printDisks(line)
	for _, part := range p.Partitions {
		line("partition", "%-10s %9d MiB at %7d MiB  %s", part.Label, part.Size/mib, part.Start/mib, part.File)
	}
	if p.Encrypt != "" {
		line("encrypted", "%s, with a key %s", LabelData, map[string]string{CryptTPM: "in the TPM", CryptDeployer: "from the deployer"}[p.Encrypt])
	}
	line("then", "%s", p.Handover)
	for _, w := range p.Warn {
		line("warning", "%s", w)
	}
	return b.String()
}

type liner func(key, format string, args ...any)

func (p Plan) printNetworks(line liner) {
	words := []string{orNone(p.Management)}
	if p.Bond != nil {
		words = []string{fmt.Sprintf("bond (%s) of %s", p.Bond.Mode, strings.Join(p.Bond.Members, ", "))}
	}
	if p.VLAN != 0 {
		words = append(words, fmt.Sprintf("VLAN %d", p.VLAN))
	}
	if p.MTU != 0 {
		words = append(words, fmt.Sprintf("%d bytes", p.MTU))
	}
	if p.Address.IsValid() {
		words = append(words, "address "+p.Address.String())
	}
	line("management", "%s", strings.Join(words, ", "))
	if p.Tenant != "" && p.Tenant == p.Management {
		line("tenant", "tagged, on the same")
	} else {
		line("tenant", "%s", orNone(p.Tenant))
	}
	line("external", "%s", orNone(p.External))
}

func (p Plan) printDisks(line liner) {
	line("disk", "%s", p.Disk)
	blank := "nothing, the disk is blank"
	if p.Mirror != nil {
		line("mirror", "%s", p.Mirror)
		blank = "nothing, the disks are blank"
	}
	if len(p.Wipes) == 0 {
		line("wipes", "%s", blank)
	}
	for _, w := range p.Wipes {
		line("wipes", "%s", w)
	}
	for _, d := range p.Data {
		line("data", "%s: %s", d.Use, d.Disk)
		for _, w := range d.Wipes {
			line("wipes", "%s: %s", d.Disk.Path, w)
		}
	}
}
