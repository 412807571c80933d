package fabric

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// A wire passes a probe on, changed, or drops it by returning a size of 0.
type wire func(from, to, vlan, size int) (as, passed int)

func clean(_, _, vlan, size int) (int, int) { return vlan, size }

// round plays a round of n members over the wire.
func round(n int, w wire) Round {
	r := Round{Number: 3, At: time.Unix(0, 0).UTC(), VLANs: []int{100, 101, 102, 137}, MTU: 1500, MaxSkew: 2 * time.Second}
	for i := range n {
		r.Members = append(r.Members, Member{
			FabricPeer: plan.FabricPeer{Machine: fmt.Sprint("m", i+1), Name: fmt.Sprint("node", i+1), MAC: fmt.Sprint("mac", i+1), Place: fmt.Sprint("tor-1 port ", i+1)},
			Report:     &plan.FabricReport{Round: 3},
		})
	}
	for to := range n {
		best := map[plan.FabricHeard]int{}
		for from := range n {
			for _, vlan := range r.VLANs {
				for _, size := range []int{46, 1500} {
					as, passed := w(from, to, vlan, size)
					if from != to && passed > 0 {
						h := plan.FabricHeard{MAC: r.Members[from].MAC, VLAN: vlan, As: as}
						best[h] = max(best[h], size)
					}
				}
			}
		}
		for h, size := range best {
			h.Size = size
			r.Members[to].Report.Heard = append(r.Members[to].Report.Heard, h)
		}
	}
	return r
}

// lacks is a wire on which a member's port lacks VLANs.
func lacks(member int, vlans ...int) wire {
	return func(from, to, vlan, size int) (int, int) {
		for _, v := range vlans {
			if v == vlan && (from == member || to == member) {
				return 0, 0
			}
		}
		return vlan, size
	}
}

func TestFindings(t *testing.T) {
	for _, c := range []struct {
		name  string
		round Round
		want  []string
	}{
		{"all is well", round(4, clean), nil},
		{"one alone", round(1, clean), nil},
		{"one port lacks VLANs", round(4, lacks(2, 100, 101, 137)), []string{
			"FAULT m3: VLAN 100-101,137 does not pass to or from node3 (tor-1 port 3), and does between others: allow it on that switch port"}},
		{"two ports lack different VLANs", round(4, func(from, to, vlan, size int) (int, int) {
			if _, n := lacks(0, 100)(from, to, vlan, size); n == 0 {
				return 0, 0
			}
			return lacks(3, 137)(from, to, vlan, size)
		}), []string{
			"FAULT m1: VLAN 100 does not pass to or from node1 (tor-1 port 1), and does between others: allow it on that switch port",
			"FAULT m4: VLAN 137 does not pass to or from node4 (tor-1 port 4), and does between others: allow it on that switch port"}},
		{"two machines, one VLAN", round(2, lacks(1, 102)), []string{
			"FAULT m1 m2: VLAN 102 does not pass between node1 (tor-1 port 1) and node2 (tor-1 port 2): allow it on both switch ports"}},
		{"nowhere", round(3, func(_, _, vlan, size int) (int, int) {
			if vlan == 137 {
				return 0, 0
			}
			return vlan, size
		}), []string{"FAULT m1 m2 m3: VLAN 137 passes between no two machines: allow it on the switch's trunk ports"}},
		{"one direction", round(3, func(from, to, vlan, size int) (int, int) {
			if from == 0 && to == 1 && vlan == 100 {
				return 0, 0
			}
			return vlan, size
		}), []string{"FAULT m1 m2: VLAN 100 passes from node2 (tor-1 port 2) to node1 (tor-1 port 1) in one direction only: node2 (tor-1 port 2) hears nothing of node1 (tor-1 port 1)"}},
		{"a narrow port", round(3, func(from, to, vlan, size int) (int, int) {
			if (from == 1 || to == 1) && size > 1400 {
				return 0, 0
			}
			return vlan, size
		}), []string{"FAULT m2: frames of 1500 bytes are lost to or from node2 (tor-1 port 2) on VLAN 100-102,137, small ones are not: raise the MTU of that switch port"}},
		{"a native VLAN in use", round(2, func(from, _, vlan, size int) (int, int) {
			if vlan == 137 && from == 0 {
				return 0, size
			}
			return vlan, size
		}), []string{
			"FAULT m1 m2: VLAN 137 passes from node2 (tor-1 port 2) to node1 (tor-1 port 1) in one direction only: node2 (tor-1 port 2) hears nothing of node1 (tor-1 port 1)",
			"FAULT m1 m2: frames that node1 (tor-1 port 1) sends with tag 137 reach node2 (tor-1 port 2) without a tag: check the native VLAN of both switch ports"}},
		{"odd ones", odd(), []string{
			"warning m3: node3 (tor-1 port 3) took part and sent no report",
			"FAULT m1: the management address of node1 (tor-1 port 1) is in use by 02:00:00:00:00:09 too: take it away from there, or change management.range_from",
			"warning m1: the clock of node1 (tor-1 port 1) is off by -1h0m0s: set it in its firmware or BMC",
			"warning m2: the link of node2 (tor-1 port 2) runs at 1000 Mbit/s, others at 25000: check cable and transceiver"}},
	} {
		m := Evaluate(c.round)
		var got []string
		for _, f := range m.Findings {
			word := "warning"
			if f.Fault {
				word = "FAULT"
			}
			got = append(got, word+" "+strings.Join(f.Machines, " ")+": "+f.Text)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func odd() Round {
	r := round(3, clean)
	r.Members[0].Report.Duplicates = []string{"02:00:00:00:00:09"}
	r.Members[0].Skew = -time.Hour
	r.Members[0].Report.SpeedMbps, r.Members[1].Report.SpeedMbps = 25000, 1000
	r.Members[2].Report = nil
	return r
}

func TestMatrixIsReadable(t *testing.T) {
	m := Evaluate(round(3, lacks(2, 137)))
	want := `fabric check, round 3: VLANs 100-102,137, 1500 bytes
sends \ hears             1    2    3
1 node1 (tor-1 port 1)    .   ok PART
2 node2 (tor-1 port 2)   ok    . PART
3 node3 (tor-1 port 3) PART PART    .
FAULT: VLAN 137 does not pass to or from node3 (tor-1 port 3), and does between others: allow it on that switch port
`
	if d := cmp.Diff(want, m.String()); d != "" {
		t.Error(d)
	}
	if got := m.Cells[0][2]; got.Missing != "137" || got.Size != 1500 {
		t.Errorf("cell from 1 to 3: %+v", got)
	}
	if m.Faults("m1") != "" || !strings.Contains(m.Faults("m3"), "VLAN 137") {
		t.Errorf("faults of m1 %q, of m3 %q", m.Faults("m1"), m.Faults("m3"))
	}
}

// BenchmarkEvaluate is a rack of 40 machines with a hundred VLANs.
func BenchmarkEvaluate(b *testing.B) {
	r := round(40, clean)
	for b.Loop() {
		Evaluate(r)
	}
}
