package wizard

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// yes is what is typed where nothing is lost.
const yes = "yes"

// Code is what a person types to lose what is on the disks of a plan: it
// comes from the id of the installation there, or from what else the disk
// holds, so nobody types it from memory. Where nothing is lost it is "yes".
func Code(p plan.Plan) string {
	h := sha256.New()
	lost := false
	for _, d := range touched(p) {
		if len(d.Contents) == 0 || d.Unfinished {
			continue
		}
		lost = true
		if d.Installed != "" {
			fmt.Fprintf(h, "installed %s\n", d.Installed)
			continue
		}
		fmt.Fprintf(h, "disk %s %d %q\n", d.Serial, d.Size, d.Contents)
	}
	if !lost {
		return yes
	}
	const letters = "abcdefghijkmnpqrstuvwxyz23456789" // none that look alike
	return base32.NewEncoding(letters).EncodeToString(h.Sum(nil))[:6]
}

// touched are the disks that a plan writes to.
func touched(p plan.Plan) []plan.Disk {
	out := []plan.Disk{p.Disk}
	if p.Mirror != nil {
		out = append(out, *p.Mirror)
	}
	for _, d := range p.Data {
		out = append(out, d.Disk)
	}
	return out
}

// Confirm shows a plan and asks whether it is to be carried out. rack is the
// text that it came from, or empty.
func (m *Model) Confirm(p plan.Plan, rack []byte, decided func(bool)) {
	m.a.code = ""
	if p.Version == "" {
		p.Version = m.needs.Version
	}
	work := m.top()
	work.busy = ""
	work.title = "Installing " + p.HostName + " on " + p.Disk.Path
	m.push(m.confirmScreen(p, rack, decided))
}

func (m *Model) confirmScreen(p plan.Plan, rack []byte, decided func(bool)) *screen {
	code := Code(p)
	s := &screen{title: "Summary: this is what will happen", keys: "Up/Down move  Page Up/Down scroll  Enter go on  Esc back  Ctrl-C leave"}
	s.items = func() []item {
		items := []item{says(m.planLines(p)...), gap()}
		if len(rack) > 0 {
			items = append(items, button("rack", "Show the rack.yaml that this comes from", m.show(func() *screen { return textScreen("rack.yaml", string(rack)) })))
		}
		items = append(items, button("table", "Show the plan in full", m.show(func() *screen { return textScreen("Plan", p.String()) })))
		if code == yes {
			items = append(items, gap(), note(good, "Nothing is lost."))
		} else {
			items = append(items, gap(), says(line{{bad, "  What is marked with - will be lost for ever. "}, {plain, "To agree, type the code "}, {bold, code}}))
		}
		return append(items, input("code", "Type "+code, &m.a.code))
	}
	s.focus = "code"
	s.back = func() {
		m.stack = m.stack[:len(m.stack)-1]
		decided(false)
	}
	s.next = func() Task {
		if !strings.EqualFold(strings.TrimSpace(m.a.code), code) {
			s.faults = map[string]string{"code": fmt.Sprintf("the code is %q; allowed: %s", m.a.code, code)}
			return nil
		}
		m.stack = m.stack[:len(m.stack)-1]
		decided(true)
		return nil
	}
	return s
}

// planLines are the plan as a difference: what is lost, and what comes.
func (m *Model) planLines(p plan.Plan) []line {
	row := func(name, value string) line { return line{{bold, "  " + pad(name, 12)}, {plain, value}} }
	var roles []string
	for _, r := range p.Roles {
		roles = append(roles, string(r))
	}
	out := []line{
		row("Machine", p.HostName+", a "+strings.Join(roles, " and ")+", with Cairn "+p.Version),
		row("Management", m.networkWords(p)),
	}
	if p.External != "" {
		out = append(out, row("Users", m.card(p.External)))
	}
	if p.Tenant != "" {
		out = append(out, row("Projects", m.card(p.Tenant)))
	}
	if p.Encrypt != "" {
		out = append(out, row("Encryption", "of the data, opened by "+p.Encrypt))
	}
	for _, w := range p.Warn {
		out = append(out, indented(2, wrapped(warn, "Note: "+w, contentWidth))...)
	}
	out = append(out, line{})
	for i, d := range touched(p) {
		out = append(out, diffLines(p, d, i)...)
	}
	return out
}

// diffLines are what a disk loses and gets.
func diffLines(p plan.Plan, d plan.Disk, nth int) []line {
	out := []line{text(bold, "  "+diskTitle(d))}
	if d.Unfinished || len(d.Contents) == 0 {
		out = append(out, text(plain, "    (blank)"))
	} else {
		for _, c := range d.Contents {
			out = append(out, indented(2, hanging(bad, "- ", c))...)
		}
	}
	use := "+ system: start, two slots for versions, and data (" + size(dataSize(p)) + ")"
	switch {
	case nth == 1 && p.Mirror != nil:
		use = "+ the same as the first (mirror)"
	case nth > 0:
		for _, x := range p.Data {
			if x.Disk.Path == d.Path {
				use = "+ data: " + x.Use
			}
		}
	}
	return append(out, indented(2, hanging(good, "+ ", strings.TrimPrefix(use, "+ ")))...)
}

// hanging wraps text behind a mark.
func hanging(s style, mark, t string) []line {
	lines := indented(len(mark), wrapped(s, t, contentWidth-4))
	lines[0][0] = span{s, mark}
	return lines
}

func dataSize(p plan.Plan) int64 {
	part, _ := p.Partition(plan.LabelData)
	return part.Size
}

func (m *Model) networkWords(p plan.Plan) string {
	words := m.card(p.Management)
	if p.Bond != nil {
		words = fmt.Sprintf("bond (%s) of %s", p.Bond.Mode, strings.Join(p.Bond.Members, " "))
	}
	if p.VLAN != 0 {
		words += fmt.Sprintf(", VLAN %d", p.VLAN)
	}
	return words
}

// card names a network card by name and MAC.
func (m *Model) card(mac string) string {
	for _, n := range m.needs.Inventory.NICs {
		if n.MAC == mac {
			return n.Name + " " + mac + " (" + speed(m.links[mac]) + ")"
		}
	}
	return mac
}

// textScreen shows text.
func textScreen(title, content string) *screen {
	s := &screen{title: title, keys: "Up/Down scroll  Esc back  Ctrl-L redraw  Ctrl-C leave"}
	s.items = func() []item {
		var lines []line
		for l := range strings.Lines(content) {
			l = strings.ReplaceAll(strings.TrimRight(l, "\n"), "\t", "  ")
			for len(l) > contentWidth {
				lines, l = append(lines, text(plain, "  "+l[:contentWidth])), "    "+l[contentWidth:]
			}
			lines = append(lines, text(plain, "  "+l))
		}
		return []item{says(lines...)}
	}
	return s
}
