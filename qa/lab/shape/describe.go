package shape

import (
	"fmt"
	"slices"
	"strings"
)

// String says in a few words what the machine is made of.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %s, %s, %s", strings.ToUpper(string(m.Firmware)), size(m.MemoryMiB), m.cards(), m.storage())
}

func size(mib int) string {
	if mib%512 == 0 {
		return fmt.Sprintf("%g GiB", float64(mib)/1024)
	}
	return fmt.Sprintf("%d MiB", mib)
}

// cards names the networks of the NICs, alike ones once.
func (m Machine) cards() string {
	var words []string
	for _, n := range slices.Compact(slices.Clone(m.NICs)) {
		words = append(words, string(n))
	}
	return count(len(m.NICs), "NIC") + " (" + strings.Join(words, ", ") + ")"
}

func (m Machine) storage() string {
	var words []string
	for _, d := range m.Disks {
		w := fmt.Sprintf("%d GiB", d.GiB)
		if d.Bus != "" {
			w += " " + string(d.Bus)
		}
		if d.Ext4 != "" {
			w += " with data"
		}
		words = append(words, w)
	}
	if len(words) == 0 {
		return "no disk"
	}
	return count(len(words), "disk") + " (" + strings.Join(words, ", ") + ")"
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
