package disk

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// Marker is what the place of slot A's footer holds while an installation is
// under way. A disk with it, and without a footer, was cut off.
const Marker = "CAIRN-INSTALLING-1\n"

// Contents is what a look at a disk has found.
type Contents struct {
	Words      []string // for people; empty: blank
	Installed  string   // id of the Cairn installation
	Unfinished bool     // it was cut off
	Stamp      string   // see [Target.WriteStamp]
	// ForData: the installation has its data of a role here, and no system.
	ForData bool
}

// Look says what is on a disk of that size. It reads a few MiB.
func Look(r io.ReaderAt, size int64) Contents {
	var c Contents
	t, err := ReadTable(r, size)
	if err == nil && t.onlyProtects() && marked(r, slotAEnd(size)) {
		return Contents{Words: []string{cutOff}, Unfinished: true} // before its table was there
	}
	if err == nil {
		c.table(r, size, t)
	}
	if t.Kind != "GPT" {
		c.Words = append(c.Words, Volume(r, size)...)
	} else if c.Installed == "" {
		c.Words = append(c.Words, memberships(r, size)...) // a table inside a RAID of whole disks
	}
	if len(c.Words) == 0 && !blankHead(r, size) {
		c.Words = append(c.Words, "data of an unknown kind at its start")
	}
	return c
}

// table lists partitions and what is on them.
func (c *Contents) table(r io.ReaderAt, size int64, t Table) {
	if ours(t) {
		c.Installed = t.GUID
		c.cairn(r, t)
		return
	}
	if e := t.find(plan.LabelDisk); e != nil && len(t.Entries) == 1 {
		c.Installed, c.ForData, c.Unfinished = t.GUID, true, markedAt(r, e.Start-dataMark)
		words := "a disk for data of an installation of Cairn" + dataOn(r, *e)
		if c.Unfinished {
			words = "a disk for data of " + cutOff
		}
		c.Words = append(c.Words, words)
		return
	}
	var names []string
	for _, e := range t.Entries {
		names = append(names, e.label())
	}
	c.Words = append(c.Words, strings.TrimSuffix(fmt.Sprintf("%s with %d partitions: %s",
		t.Kind, len(names), strings.Join(names, ", ")), ": "))
	for _, e := range t.Entries {
		if e.Start < 0 || e.Size <= 0 || e.Start+e.Size > size {
			continue
		}
		for _, w := range Volume(io.NewSectionReader(r, e.Start, e.Size), e.Size) {
			c.Words = append(c.Words, fmt.Sprintf("%s on partition %d", w, e.Number))
		}
	}
}

// dataOn says which data those are, if it can be seen.
func dataOn(r io.ReaderAt, e Entry) string {
	_, label := Label(io.NewSectionReader(r, e.Start, e.Size), e.Size)
	if label = strings.TrimPrefix(label, "cairn-"); label != "" {
		return " (" + label + ")"
	}
	return ""
}

func (e Entry) label() string {
	if e.Name != "" {
		return e.Name
	}
	return fmt.Sprint(e.Number)
}

// ours tells whether the table is one of an installation.
func ours(t Table) bool {
	return t.find(plan.LabelSlotA) != nil && t.find(plan.LabelSlotB) != nil && t.find(plan.LabelData) != nil
}

func (t Table) find(name string) *Entry {
	for i := range t.Entries {
		if t.Entries[i].Name == name {
			return &t.Entries[i]
		}
	}
	return nil
}

// cairn says which versions an installation holds.
func (c *Contents) cairn(r io.ReaderAt, t Table) {
	var versions []string
	for _, label := range []string{plan.LabelSlotA, plan.LabelSlotB} {
		if v := slotVersion(r, t.find(label)); v != "" {
			versions = append(versions, v)
		}
	}
	a := t.find(plan.LabelSlotA)
	c.Unfinished = len(versions) == 0 && marked(r, a.Start+a.Size)
	c.Stamp = readStamp(r, t.find(plan.LabelBIOS))
	switch {
	case c.Unfinished:
		c.Words = append(c.Words, cutOff)
	case len(versions) == 0:
		c.Words = append(c.Words, "an installation of Cairn without a whole system slot, and its data")
	default:
		c.Words = append(c.Words, "an installation of Cairn "+strings.Join(versions, " and ")+" with its data")
	}
}

// cutOff says in words what [Marker] does.
const cutOff = "an installation of Cairn that was cut off"

// marked tells whether a slot that ends there is marked as being installed.
func marked(r io.ReaderAt, slotEnd int64) bool { return markedAt(r, slotEnd-manifest.FooterSize) }

func markedAt(r io.ReaderAt, at int64) bool {
	head := make([]byte, len(Marker))
	_, err := r.ReadAt(head, at)
	return err == nil && string(head) == Marker
}

// slotAEnd is where slot A ends on a new installation on a disk of that size.
func slotAEnd(size int64) int64 {
	p := plan.Plan{Partitions: plan.Layout(size)}
	a, _ := p.Partition(plan.LabelSlotA)
	return a.Start + a.Size
}

// onlyProtects tells a protective MBR without a GPT behind it.
func (t Table) onlyProtects() bool {
	return t.Kind == "MBR" && len(t.Entries) == 1 && t.Entries[0].Start == bootSector
}

// slotVersion is the version that a slot says it has. Nothing is verified:
// it is for people.
func slotVersion(r io.ReaderAt, e *Entry) string {
	if e.Size < manifest.FooterSize {
		return ""
	}
	b := make([]byte, manifest.FooterSize)
	if _, err := r.ReadAt(b, e.Start+e.Size-manifest.FooterSize); err != nil {
		return ""
	}
	raw, _, err := manifest.ReadFooter(b)
	if err != nil {
		return ""
	}
	var m manifest.Manifest
	if err := json.Unmarshal(raw, &m); err != nil || m.Version == "" {
		return "of an unknown version"
	}
	return m.Version
}

// blankHead tells whether the first MiB is all of one byte: disks come
// zeroed, or filled with 0xff.
func blankHead(r io.ReaderAt, size int64) bool {
	b := make([]byte, min(size, 1<<20))
	if _, err := r.ReadAt(b, 0); err != nil {
		return false
	}
	for _, x := range b {
		if x != b[0] {
			return false
		}
	}
	return len(b) == 0 || b[0] == 0 || b[0] == 0xff
}
