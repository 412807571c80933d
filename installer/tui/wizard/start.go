package wizard

import (
	"fmt"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// bootAfter is how long an installed system waits for somebody to press a key:
// after a power cut a machine with its medium left in comes up by itself.
const bootAfter = time.Minute

// start is the first screen: who this machine is, and what is to become of it.
func (m *Model) start() *screen {
	s := &screen{title: "Install", keys: "Up/Down move  Enter go on  Ctrl-L redraw  Ctrl-C leave"}
	s.items = func() []item {
		items := []item{says(m.machineLines()...)}
		if len(m.needs.Trust) > 0 {
			items = append(items, says(m.trustLines()...))
		}
		items = append(items, gap(), says(m.cardLines(maxCards)...), gap(), heading("  What shall become of this machine?"))
		if m.needs.Version != "" {
			items = append(items, button("found", "Found a new cloud: it becomes the first controller", m.show(m.managementScreen)))
		}
		items = append(items, button("join", "Join a cloud: a deployer decides what it becomes", m.show(m.netScreen)))
		for _, d := range m.bootable() {
			items = append(items, button("boot "+d.Path, "Start the system that is installed on "+d.Path+m.countdown(), m.choose(Answer{Choice: Boot, Disk: d.Path})))
		}
		return append(items,
			button("inventory", "Show what it consists of", m.show(m.inventoryScreen)),
			button("restart", "Restart it", m.choose(Answer{Choice: Restart})),
			button("power off", "Power it off", m.choose(Answer{Choice: PowerOff})))
	}
	if d := m.bootable(); len(d) > 0 {
		s.focus = "boot " + d[0].Path
	}
	return s
}

// show makes what a button does out of the screen that it leads to.
func (m *Model) show(next func() *screen) func() Task {
	return func() Task {
		m.push(next())
		return nil
	}
}

func (m *Model) choose(a Answer) func() Task {
	return func() Task {
		m.finish(a)
		return nil
	}
}

// finish ends the conversation; the screen says that something happens.
func (m *Model) finish(a Answer) {
	m.asked = len(m.stack)
	m.top().busy = "One moment"
	m.answer(a)
}

// bootable are the disks with a system of ours that is whole.
func (m *Model) bootable() []plan.Disk {
	var out []plan.Disk
	for _, d := range m.needs.Inventory.Disks {
		if d.Installed != "" && !d.Unfinished && !d.ForData {
			out = append(out, d)
		}
	}
	return out
}

// countdown is what a person reads who may still press a key.
func (m *Model) countdown() string {
	if !m.quiet || len(m.bootable()) != 1 {
		return ""
	}
	left := max(0, bootAfter-m.needs.Now().Sub(m.began))
	return fmt.Sprintf(" (by itself in %.0f s)", left.Seconds())
}

// Beat is told that a second has passed.
func (m *Model) Beat() {
	m.beat++
	if b := m.top().beat; b != nil {
		b()
	}
	if d := m.bootable(); m.quiet && len(d) == 1 && len(m.stack) == 1 && m.top().busy == "" && m.needs.Now().Sub(m.began) >= bootAfter {
		m.finish(Answer{Choice: Boot, Disk: d[0].Path})
	}
}

// SetLinks is told the state of the cards.
func (m *Model) SetLinks(links map[string]Link) { m.links = links }

func (m *Model) machineLines() []line {
	inv := m.needs.Inventory
	who := strings.TrimSpace(inv.Vendor + " " + inv.Product)
	if who == "" {
		who = "unknown"
	}
	if inv.Serial != "" {
		who += ", serial " + inv.Serial
	}
	return []line{
		{{bold, "  Machine   "}, {plain, who}},
		{{plain, fmt.Sprintf("            %s, %d CPUs, %s of memory, %s", strings.ToUpper(inv.Firmware), inv.CPUs, mebibytes(inv.MemoryMiB), count(len(inv.Disks), "disk"))}},
	}
}

func mebibytes(n int) string {
	if n < 10<<10 {
		return fmt.Sprintf("%d MiB", n)
	}
	return fmt.Sprintf("%d GiB", (n+512)>>10)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// trustLines are what can be compared with what others show.
func (m *Model) trustLines() []line {
	var out []line
	for _, f := range m.needs.Trust {
		label := f.Name
		for _, row := range grouped(f.Value) {
			out = append(out, line{{bold, "  " + pad(label, 10)}, {plain, row}})
			label = ""
		}
	}
	return out
}

// maxCards is how many network cards the first screen lists.
const maxCards = 6

// cardLines are a table of the network cards: MAC address beside IP address.
func (m *Model) cardLines(most int) []line {
	out := []line{text(bold, fmt.Sprintf("  %-9s %-18s %-18s %-9s %s", "Card", "MAC", "Address", "Link", "Switch port"))}
	nics := m.needs.Inventory.NICs
	if len(nics) == 0 {
		return append(out, text(warn, "  none: check that it has one, and that the image has its driver"))
	}
	for i, n := range nics {
		if i == most && len(nics) > most+1 {
			return append(out, text(plain, fmt.Sprintf("  and %d more: see what it consists of", len(nics)-most)))
		}
		l := m.links[n.MAC]
		look := plain
		if l.Up {
			look = good
		}
		address := ""
		if l.Address.IsValid() {
			address = l.Address.String()
		}
		out = append(out, line{{plain, fmt.Sprintf("  %-9s %-18s %-18s ", n.Name, n.MAC, dash(address))},
			{look, fmt.Sprintf("%-9s ", speed(l))}, {plain, dash(neighbour(l))}})
	}
	return out
}

// speed says what a link carries.
func speed(l Link) string {
	switch {
	case !l.Up:
		return "no link"
	case l.Mbps == 0:
		return "link"
	case l.Mbps%1000 == 0:
		return fmt.Sprintf("%d Gb/s", l.Mbps/1000)
	default:
		return fmt.Sprintf("%d Mb/s", l.Mbps)
	}
}

// neighbour is the switch and its port.
func neighbour(l Link) string {
	if l.LLDP == nil {
		return ""
	}
	name := l.LLDP.Switch
	if name == "" {
		name = l.LLDP.Chassis
	}
	return strings.TrimSpace(name + " " + l.LLDP.Port)
}
