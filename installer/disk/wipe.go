package disk

import (
	"slices"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// How much of each end of the disk, of each old partition and of each new one
// is cleared, so that nothing finds what was there again.
//
// The furthest from the start is the second header of LUKS2, which begins 16
// KiB to 4 MiB from it (LUKS2 On-Disk Format 1.1, 2.2); VMFS begins at 2 MiB,
// the two labels of ZFS take 512 KiB. The furthest from the end is the last
// place of Promise's RAID at 3087 sectors; ZFS, md, DDF and Intel's are within
// 768 KiB.
const (
	wipedHead = 4<<20 + 64<<10
	wipedTail = 2 << 20
)

// A place is a piece of the disk in bytes.
type place struct{ start, end int64 }

func placesOf(t Table) []place {
	var out []place
	for _, e := range t.Entries {
		out = append(out, place{e.Start, e.Start + e.Size})
	}
	return out
}

func partsPlaces(parts []plan.Partition) []place {
	var out []place
	for _, p := range parts {
		out = append(out, place{p.Start, p.Start + p.Size})
	}
	return out
}

// tableSize is what a GPT takes at each end of a disk, at most: the MBR, a
// header and 128 entries, for sectors of 4096 bytes.
const tableSize = 6 * 4096

// kept is what is not cleared: the table of an installation of ours until the
// new one replaces it, and the marks of the old one and of the new.
func (t *Target) kept(old Table, own bool, parts []plan.Partition) []place {
	var out []place
	mark := func(slotEnd int64) {
		at := slotEnd - manifest.FooterSize
		out = append(out, place{at, at + bootSector})
	}
	if own {
		out = append(out, place{0, tableSize}, place{t.Size - tableSize, t.Size})
		a := old.find(plan.LabelSlotA)
		mark(a.Start + a.Size)
	}
	for _, p := range parts {
		if p.Label == plan.LabelSlotA {
			mark(p.Start + p.Size)
		}
	}
	return out
}

// wipe clears both ends of the disk and of each place on it, but for what is
// kept. Places that do not fit the disk come from a table that is damaged: of
// those only the part on the disk is cleared.
func (t *Target) wipe(places, kept []place) error {
	var ends []place
	for _, p := range append(places, place{0, t.Size}) {
		if p.start < 0 || p.end > t.Size || p.start >= p.end {
			p = place{min(max(p.start, 0), t.Size), min(max(p.end, 0), t.Size)}
		}
		ends = append(ends, place{p.start, min(p.start+wipedHead, p.end)}, place{max(p.end-wipedTail, p.start), p.end})
	}
	for _, p := range without(joined(ends), kept) {
		if err := t.zero(p); err != nil {
			return err
		}
	}
	return nil
}

// joined is the same places in their order, each byte once.
func joined(places []place) []place {
	slices.SortFunc(places, func(a, b place) int { return int(min(max(a.start-b.start, -1), 1)) })
	var out []place
	for _, p := range places {
		switch last := len(out) - 1; {
		case p.start >= p.end:
		case last >= 0 && p.start <= out[last].end:
			out[last].end = max(out[last].end, p.end)
		default:
			out = append(out, p)
		}
	}
	return out
}

// without cuts holes into places.
func without(places, holes []place) []place {
	for _, h := range holes {
		var out []place
		for _, p := range places {
			for _, rest := range []place{{p.start, min(p.end, h.start)}, {max(p.start, h.end), p.end}} {
				if rest.start < rest.end {
					out = append(out, rest)
				}
			}
		}
		places = out
	}
	return places
}

// zero clears a place, a MiB at a time.
func (t *Target) zero(p place) error {
	zero := make([]byte, 1<<20)
	for p.start < p.end {
		n := min(int64(len(zero)), p.end-p.start)
		if err := t.writeAt(zero[:n], p.start, "zeroes over what was there"); err != nil {
			return err
		}
		p.start += n
	}
	return nil
}
