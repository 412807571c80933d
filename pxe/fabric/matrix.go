package fabric

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// A Member took part in a round.
type Member struct {
	plan.FabricPeer
	Report *plan.FabricReport // nil: it did not report
	Skew   time.Duration      // of its clock against the deployer's; with the time that the report took
}

// A Round is what was asked for and who took part.
type Round struct {
	Number  int
	At      time.Time
	VLANs   []int
	MTU     int
	MaxSkew time.Duration
	// Shared trunks carry the untagged management network too.
	Shared  bool
	Members []Member
}

// A Matrix is what a round found.
type Matrix struct {
	Round    int       `json:"round"`
	At       time.Time `json:"at"`
	VLANs    string    `json:"vlans"` // as ranges
	MTU      int       `json:"mtu"`
	Members  []Who     `json:"members"`
	Cells    [][]Cell  `json:"cells"` // of a row what its member sent, of a column what its member heard
	Findings []Finding `json:"findings"`
}

// Who is a member as people know it.
type Who struct {
	Machine string `json:"machine"`
	Name    string `json:"name"`
	Place   string `json:"place,omitempty"` // switch and port
}

// String is the name with the switch port, where it is known.
func (w Who) String() string {
	if w.Place == "" {
		return w.Name
	}
	return w.Name + " (" + w.Place + ")"
}

// A Cell is what passed from one member to another.
type Cell struct {
	State   State  `json:"state"`
	Missing string `json:"missing,omitempty"` // VLANs that did not pass, as ranges
	Size    int    `json:"size,omitempty"`    // bytes of the largest payload that passed on every VLAN that did
}

// State of a cell.
type State string

// States of a cell.
const (
	Self    State = "self"
	OK      State = "ok"
	Partial State = "partial" // some VLANs, or small frames alone
	None    State = "none"
	Unknown State = "unknown" // one of both did not report
)

// A Finding is one thing to repair or to know. Machines lists those that it
// is about.
type Finding struct {
	Fault    bool     `json:"fault"` // false: a warning
	Machines []string `json:"machines"`
	Text     string   `json:"text"`
}

// Faults joins the texts of the faults that are about a machine.
func (m *Matrix) Faults(machine string) string {
	var out []string
	for _, f := range m.Findings {
		if f.Fault && slices.Contains(f.Machines, machine) {
			out = append(out, f.Text)
		}
	}
	return strings.Join(out, "; ")
}

// String is the matrix for a terminal: rows send, columns hear.
func (m *Matrix) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "fabric check, round %d: VLANs %s, %d bytes\n", m.Round, m.VLANs, m.MTU)
	width := len("sends \\ hears")
	for i, w := range m.Members {
		width = max(width, len(fmt.Sprintf("%d %s", i+1, w)))
	}
	fmt.Fprintf(&b, "%-*s", width, "sends \\ hears")
	for i := range m.Members {
		fmt.Fprintf(&b, " %4d", i+1)
	}
	b.WriteString("\n")
	signs := map[State]string{Self: ".", OK: "ok", Partial: "PART", None: "NONE", Unknown: "?"}
	for i, w := range m.Members {
		fmt.Fprintf(&b, "%-*s", width, fmt.Sprintf("%d %s", i+1, w))
		for _, c := range m.Cells[i] {
			fmt.Fprintf(&b, " %4s", signs[c.State])
		}
		b.WriteString("\n")
	}
	for _, f := range m.Findings {
		word := "warning"
		if f.Fault {
			word = "FAULT"
		}
		fmt.Fprintf(&b, "%s: %s\n", word, f.Text)
	}
	return b.String()
}

// ranges writes numbers as people do: 100-104,137.
func ranges(all []int) string {
	var b strings.Builder
	for i := 0; i < len(all); {
		j := i
		for j+1 < len(all) && all[j+1] == all[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, all[i])
		if j > i {
			fmt.Fprintf(&b, "-%d", all[j])
		}
		i = j + 1
	}
	return b.String()
}
