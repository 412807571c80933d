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
	line("version", "%s", p.Version)
	line("management", "%s", orNone(p.Management))
	line("tenant", "%s", orNone(p.Tenant))
	line("external", "%s", orNone(p.External))
	line("disk", "%s", p.Disk)
	if len(p.Wipes) == 0 {
		line("wipes", "nothing, the disk is blank")
	}
	for _, w := range p.Wipes {
		line("wipes", "%s", w)
	}
	for _, part := range p.Partitions {
		line("partition", "%-10s %9d MiB at %7d MiB  %s", part.Label, part.Size/mib, part.Start/mib, part.File)
	}
	line("then", "%s", p.Handover)
	return b.String()
}
