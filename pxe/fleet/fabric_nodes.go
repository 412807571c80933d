package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Nodes that run lend their trunks to the fabric check: a machine that comes
// late is compared with the rack, not with itself alone. They ask for it and
// wait, so that a round finds those that are there. Few are enough, and their
// guests share the wire with the probes.
const (
	maxReferences = 4
	maxListeners  = 16               // nodes that wait at once; others are sent away
	nodeGrace     = 5 * time.Second  // between two requests of a node that is there
	nodeSilence   = 10 * time.Minute // for that long a node is left alone that took part and did not report
	nodeSeconds   = 4                // that nodes probe longer: new machines ask every few seconds, and begin later
)

// listeners are the nodes that wait for a round. Guarded by Fleet.mu.
type listeners struct {
	open   map[string]int       // by record: requests that wait
	seen   map[string]time.Time // by record: when the last one began or ended
	silent map[string]time.Time // by record: when it took part and did not report
	news   chan struct{}        // closed when a round starts
}

// begin is the next round's start.
func (l *listeners) begin() <-chan struct{} {
	if l.news == nil {
		l.open, l.seen, l.silent = map[string]int{}, map[string]time.Time{}, map[string]time.Time{}
		l.news = make(chan struct{})
	}
	return l.news
}

// tell wakes all who wait.
func (l *listeners) tell() {
	if l.news != nil {
		close(l.news)
		l.news = make(chan struct{})
	}
}

// NodeOrder waits until a node is to take part in a round other than the one
// given, and returns what to do; nil when the context ends before, or when
// enough others wait.
func (f *Fleet) NodeOrder(ctx context.Context, node string, after int) (*plan.FabricOrder, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.running(node)
	if err != nil {
		return nil, err
	}
	l := &f.rounds.nodes
	for {
		news := l.begin()
		if o := f.nodeOrder(r.Key, after); o != nil {
			return o, nil
		}
		if l.open[r.Key] == 0 && len(l.open) >= maxListeners {
			return nil, nil
		}
		l.open[r.Key]++
		l.seen[r.Key] = f.conf.Now()
		f.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
		}
		f.mu.Lock()
		l.seen[r.Key] = f.conf.Now()
		if l.open[r.Key]--; l.open[r.Key] == 0 {
			delete(l.open, r.Key)
		}
		if ctx.Err() != nil {
			return nil, nil
		}
	}
}

// running finds an installed node by its identity.
func (f *Fleet) running(node string) (*record, error) {
	for _, r := range f.records {
		if m := &r.Machine; m.Installed && m.Node != nil && m.Node.ID == node {
			return r, nil
		}
	}
	return nil, fmt.Errorf("%w: node %q", ErrUnknown, node)
}

// nodeOrder is what a node has to do now; nil: nothing.
func (f *Fleet) nodeOrder(key string, after int) *plan.FabricOrder {
	g, r := f.rounds.current, f.records[key]
	if g == nil || r == nil || g.order.Round == after || g.reports[key] != nil || !slices.Contains(g.references, key) {
		return nil
	}
	order := g.order
	order.Trunk, order.Seconds = r.Machine.trunk(), order.Seconds+nodeSeconds
	return &order
}

// NodeFabric takes what a node heard in a round.
func (f *Fleet) NodeFabric(node string, report plan.FabricReport) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.running(node)
	if err != nil {
		return err
	}
	return f.report(r, report)
}

// references are the nodes that take part in a round: of as many switches as
// there are, by name.
func (f *Fleet) references(now time.Time) []string {
	var able []*record
	for _, r := range f.records {
		if f.mayTakePart(r, now) {
			able = append(able, r)
		}
	}
	slices.SortFunc(able, func(a, b *record) int { return strings.Compare(a.Machine.Name, b.Machine.Name) })
	var chosen, more []string
	switches := map[string]bool{}
	for _, r := range able {
		at := switchOf(&r.Machine, r.Machine.trunk())
		if switches[at] {
			more = append(more, r.Key)
			continue
		}
		switches[at] = true
		chosen = append(chosen, r.Key)
	}
	chosen = append(chosen, more...)
	return chosen[:min(len(chosen), maxReferences)]
}

// mayTakePart tells whether the node runs guests, waits for a round, and kept
// its word in the last one.
func (f *Fleet) mayTakePart(r *record, now time.Time) bool {
	l, m := &f.rounds.nodes, &r.Machine
	if !m.Installed || m.Node == nil || !m.Node.Has(spec.RoleCompute) || m.trunk() == "" {
		return false
	}
	if now.Sub(l.silent[r.Key]) < nodeSilence {
		return false
	}
	return l.open[r.Key] > 0 || now.Sub(l.seen[r.Key]) < nodeGrace
}

// trunk is the MAC of the card that carries the machine's project networks;
// empty: none.
func (m *Machine) trunk() string {
	switch {
	case m.Installed && m.Node != nil:
		return m.Node.Tenant.MAC
	case m.Plan != nil:
		return m.Plan.Tenant
	}
	return ""
}
