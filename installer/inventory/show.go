package inventory

import (
	"fmt"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Show prints an inventory for people in front of a rack.
func Show(inv plan.Inventory) string {
	var b strings.Builder
	for _, r := range machineRows(inv) {
		if r[1] != "" {
			fmt.Fprintf(&b, "%-10s%s\n", r[0], r[1])
		}
	}
	b.WriteString("\n")
	for i, line := range grid(diskRows(inv.Disks)) {
		b.WriteString(line + "\n")
		if i > 0 && i <= len(inv.Disks) {
			b.WriteString(below(inv.Disks[i-1]))
		}
	}
	b.WriteString("\n" + strings.Join(grid(nicRows(inv)), "\n") + "\n")
	return b.String()
}

func machineRows(inv plan.Inventory) [][2]string {
	cpu := fmt.Sprintf("%s, %s, %s", inv.CPUModel, count(inv.CPUs, "thread"), count(max(inv.Sockets, 1), "socket"))
	if inv.Virt == "" {
		cpu += ", runs no virtual machines (vmx or svm is missing or off in the firmware)"
	} else {
		cpu += ", " + inv.Virt
	}
	var numa []string
	for _, n := range inv.NUMANodes {
		numa = append(numa, fmt.Sprintf("%d: CPU %s, %s", n.ID, n.CPUs, mib(n.MemoryMiB)))
	}
	return [][2]string{
		{"machine", inv.Machine},
		{"product", join(", ", inv.Vendor, inv.Product, note("serial ", inv.Serial), note("asset ", inv.AssetTag))},
		{"board", inv.Board},
		{"firmware", join(", ", inv.Firmware, inv.BIOS)},
		{"processor", strings.TrimPrefix(cpu, ", ")},
		{"flags", strings.Join(inv.CPUFlags, " ")},
		{"memory", mib(inv.MemoryMiB)},
		{"nodes", strings.Join(numa, "; ")},
		{"TPM", orElse(inv.TPM, "none")},
		{"BMC", bmcWords(inv.BMC)},
		{"taken", inv.Clock},
	}
}

func bmcWords(m *plan.Manager) string {
	if m == nil {
		return "none"
	}
	return join(", ", orElse(m.Address, "address unknown"), m.MAC, note("by ", m.Kind))
}

func diskRows(disks []plan.Disk) [][]string {
	rows := [][]string{{"DISK", "SIZE", "BUS", "MODEL", "SERIAL", "HEALTH"}}
	for _, d := range disks {
		bus := d.Bus
		if d.Rotational && d.Bus != "virtio" {
			bus = join(" ", bus, "hdd")
		}
		rows = append(rows, []string{d.Path, bytes(d.Size), bus, d.Model, d.Serial, healthWords(d.Health)})
	}
	if len(disks) == 0 {
		rows = append(rows, []string{"none"})
	}
	return rows
}

// below is what stands below a disk: where it is and what is on it, what else
// speaks against writing it, and why it fails.
func below(d plan.Disk) string {
	words := append([]string{}, d.Contents...)
	if len(words) == 0 {
		words = []string{"blank"}
	}
	for _, f := range []struct {
		is   bool
		word string
	}{{d.ReadOnly, "read-only"}, {d.Removable, "removable"}, {d.Medium, "this is the installation medium"}} {
		if f.is {
			words = append(words, f.word)
		}
	}
	text := "  " + join(": ", d.ByPath, strings.Join(words, "; ")) + "\n"
	if d.Health != nil && !d.Health.OK {
		text += "  " + d.Health.Why + "\n"
	}
	return text
}

func healthWords(h *plan.Health) string {
	if h == nil {
		return ""
	}
	words := []string{"ok"}
	if !h.OK {
		words[0] = "FAILS"
	}
	for _, f := range []struct {
		n    int64
		word string
	}{{h.Errors, "%d errors"}, {int64(h.Wear), "%d%% worn"}, {h.Hours, "%d h"}, {int64(h.Celsius), "%d C"}} {
		if f.n != 0 {
			words = append(words, fmt.Sprintf(f.word, f.n))
		}
	}
	return strings.Join(words, ", ")
}

func nicRows(inv plan.Inventory) [][]string {
	rows := [][]string{{"NIC", "MAC", "LINK", "DRIVER", "PLACE", "SWITCH", "PORT", "VLAN", ""}}
	for _, n := range inv.NICs {
		link := "no link"
		if n.Link {
			link = orElse(speed(n.SpeedMbps), "up")
		}
		row := []string{n.Name, n.MAC, link, n.Driver, n.Path, "", "", "", ""}
		if l := n.LLDP; l != nil {
			row[5], row[6] = orElse(l.Switch, l.Chassis), l.Port
			if l.VLAN != 0 {
				row[7] = fmt.Sprint(l.VLAN)
			}
		}
		if n.MAC == inv.BootMAC {
			row[8] = "booted from here"
		}
		rows = append(rows, row)
	}
	if len(inv.NICs) == 0 {
		rows = append(rows, []string{"none"})
	}
	return rows
}

// grid sets rows in columns; one that is empty but for its head is left out.
func grid(rows [][]string) []string {
	widths := make([]int, len(rows[0]))
	for _, r := range rows[1:] {
		for i, cell := range r {
			if cell != "" {
				widths[i] = max(widths[i], len(cell), len(rows[0][i]))
			}
		}
	}
	var lines []string
	for _, r := range rows {
		line := ""
		for i, cell := range r {
			if widths[i] > 0 {
				line += fmt.Sprintf("%-*s  ", widths[i], cell)
			}
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

// join joins the texts that are not empty.
func join(separator string, words ...string) string {
	var out []string
	for _, w := range words {
		if w != "" {
			out = append(out, w)
		}
	}
	return strings.Join(out, separator)
}

func note(what, s string) string {
	if s == "" {
		return ""
	}
	return what + s
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// bytes is a size as it is printed on disks: decimal.
func bytes(n int64) string {
	switch {
	case n >= 1e12:
		return fmt.Sprintf("%.1f TB", float64(n)/1e12)
	case n >= 1e9:
		return fmt.Sprintf("%.0f GB", float64(n)/1e9)
	}
	return fmt.Sprintf("%.0f MB", float64(n)/1e6)
}

func mib(n int) string {
	if n >= 10<<10 {
		return fmt.Sprintf("%d GiB", (n+512)>>10)
	}
	return fmt.Sprintf("%d MiB", n)
}

func speed(mbps int) string {
	switch {
	case mbps == 0:
		return ""
	case mbps%1000 == 0:
		return fmt.Sprintf("%d Gb/s", mbps/1000)
	case mbps > 1000:
		return fmt.Sprintf("%.1f Gb/s", float64(mbps)/1000)
	}
	return fmt.Sprintf("%d Mb/s", mbps)
}
