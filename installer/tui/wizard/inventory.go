package wizard

import (
	"fmt"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// inventoryScreen lists what the machine consists of.
func (m *Model) inventoryScreen() *screen {
	s := &screen{title: "What the machine consists of", keys: "Up/Down scroll  Enter or Esc back  Ctrl-L redraw  Ctrl-C leave"}
	s.items = func() []item { return []item{says(m.inventoryLines()...)} }
	s.next = func() Task { m.back(); return nil }
	return s
}

func (m *Model) inventoryLines() []line {
	inv := m.needs.Inventory
	out := m.machineLines()
	row := func(name, value string) {
		if value != "" {
			out = append(out, line{{bold, "  " + pad(name, 10)}, {plain, value}})
		}
	}
	row("UUID", inv.Machine)
	row("Board", inv.Board)
	row("Firmware", inv.BIOS)
	row("Asset tag", inv.AssetTag)
	row("CPU", strings.TrimSpace(inv.CPUModel+"  "+virt(inv)))
	for _, n := range inv.NUMANodes {
		row("NUMA", fmt.Sprintf("node %d: CPUs %s, %s", n.ID, n.CPUs, mebibytes(n.MemoryMiB)))
	}
	row("TPM", inv.TPM)
	if inv.BMC != nil {
		row("BMC", strings.TrimSpace(fmt.Sprintf("%s %s %s", inv.BMC.Address, inv.BMC.MAC, inv.BMC.Kind)))
	}
	out = append(out, line{})
	out = append(out, m.cardLines(len(inv.NICs))...)
	for _, n := range inv.NICs {
		if n.Driver != "" || n.Path != "" {
			out = append(out, text(plain, fmt.Sprintf("  %-9s driver %s, at %s", n.Name, dash(n.Driver), dash(n.Path))))
		}
	}
	out = append(out, line{})
	for _, d := range inv.Disks {
		out = append(out, text(bold, "  "+diskTitle(d)))
		out = append(out, indented(6, diskLines(d))...)
	}
	if len(inv.Disks) == 0 {
		out = append(out, text(warn, "  no disk: check that its controller is in use (a RAID controller may need a volume first)"))
	}
	return out
}

func virt(inv plan.Inventory) string {
	if inv.Virt == "" {
		return "without virtualisation (off in the firmware?)"
	}
	return "with " + inv.Virt
}

// diskTitle names a disk in one line.
func diskTitle(d plan.Disk) string {
	words := []string{fmt.Sprintf("%-12s %9s", d.Path, size(d.Size))}
	for _, w := range []string{d.Model, serial(d), d.Bus, spins(d)} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, "  ")
}

func serial(d plan.Disk) string {
	if d.Serial == "" {
		return "no serial"
	}
	return d.Serial
}

func spins(d plan.Disk) string {
	if d.Rotational {
		return "spinning"
	}
	return ""
}

// size is as people buy disks: in powers of ten.
func size(n int64) string {
	const giga = 1e9
	switch {
	case n >= 1000*giga:
		return fmt.Sprintf("%.2f TB", float64(n)/1000/giga)
	case n >= 10*giga:
		return fmt.Sprintf("%.0f GB", float64(n)/giga)
	default:
		return fmt.Sprintf("%.1f GB", float64(n)/giga)
	}
}

// diskLines say what is on a disk, how it is, and why it cannot be chosen.
func diskLines(d plan.Disk) []line {
	const width = contentWidth - 6
	var out []line
	switch {
	case d.Unfinished:
		out = append(out, text(plain, "an installation that was cut off: nothing would be lost"))
	case len(d.Contents) == 0:
		out = append(out, text(plain, "blank: nothing would be lost"))
	default:
		out = append(out, wrapped(warn, "would be lost: "+strings.Join(d.Contents, "; "), width)...)
	}
	if h := d.Health; h != nil {
		out = append(out, health(*h, width)...)
	}
	if why := unfit(d); why != "" {
		out = append(out, text(bad, "cannot be chosen: "+why))
	}
	return out
}

// health is what the disk says of itself.
func health(h plan.Health, width int) []line {
	look, words := good, []string{"healthy"}
	if !h.OK {
		look, words = bad, []string{"failing: " + h.Why}
	}
	for _, w := range []struct {
		n      int64
		format string
	}{{h.Hours, "%d hours"}, {int64(h.Celsius), "%d C"}, {int64(h.Wear), "%d %% worn"}, {h.Errors, "%d errors"}} {
		if w.n > 0 {
			words = append(words, fmt.Sprintf(w.format, w.n))
		}
	}
	return wrapped(look, strings.Join(words, ", "), width)
}

// unfit says why nobody installs on a disk.
func unfit(d plan.Disk) string {
	switch {
	case d.Medium:
		return "it holds what is installed from"
	case d.ReadOnly:
		return "it is write-protected"
	case d.Size < plan.MinDiskGiB<<30:
		return fmt.Sprintf("it is too small, %d GiB are needed", plan.MinDiskGiB)
	}
	return ""
}
