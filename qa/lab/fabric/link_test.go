package fabric

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A link goes and comes back once each, whatever else is wrong, and is known
// to somebody who comes later.
func TestLinksGoWithTheirPorts(t *testing.T) {
	p, err := New("sw").AddPort(PortConfig{Name: "p", Access: 1})
	if err != nil {
		t.Fatal(err)
	}
	var first, second []bool
	p.SetFault(Fault{Loss: 0.5})
	p.OnLink(func(up bool) { first = append(first, up) })
	for _, f := range []Fault{{Loss: 1}, {Down: true}, {Down: true, Loss: 1}, {}, {Missing: []int{1}}, {Down: true}} {
		p.SetFault(f)
	}
	p.OnLink(func(up bool) { second = append(second, up) })
	p.SetFault(Fault{})
	if d := cmp.Diff([][]bool{{false, true, false}, {false, true}}, [][]bool{first, second}); d != "" {
		t.Error(d)
	}
}
