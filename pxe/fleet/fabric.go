package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fabric"
)

// Times of the fabric check.
const (
	roundSeconds  = 8                // sending and listening, at least; members begin some seconds apart
	roundPatience = 30 * time.Second // for the reports after it
	stillThere    = 20 * time.Second // a machine that did not ask for that long is gone
	checkFabric   = "fabric"         // name of the check
)

// Words of rack.yaml's fabric.check.
const (
	fabricOff  = "off"
	fabricOnly = "report"
)

// rounds are the fabric checks of a fleet: machines that wait for their disk
// gather, take part in a round together, and go on when the switches let
// through what they should. Nothing of it is kept: a deployer that restarts
// checks again. Guarded by Fleet.mu.
type rounds struct {
	number  int
	waiting map[string]time.Time // by record: when it last asked
	joined  time.Time            // when the last one came to those who wait
	first   time.Time            // and when the first of them did
	current *gathering           // nil: nobody probes
	verdict map[string]verdict   // by record: of the last round that it was in
	last    *fabric.Matrix
	nodes   listeners
}

// A gathering is a round that is under way.
type gathering struct {
	order      plan.FabricOrder
	members    []string // records
	references []string // those of them that are nodes which run
	cards      []card   // of the members, as order.Peers
	reports    map[string]*plan.FabricReport
	skews      map[string]time.Duration
	ends       time.Time
}

// A verdict is what a round said of a machine.
type verdict struct {
	nonce  string // of the boot that it holds for
	faults string // empty: it passed
	alone  bool   // nobody else reported
}

// why says what there is to know of a machine that passed.
func (v verdict) why() string {
	if v.faults == "" && v.alone {
		return "nobody else took part: what its switch port lets through is not known"
	}
	return v.faults
}

// fabric is where the machine stands in the fabric check: the check to show,
// and the order where it has to probe now. A check that is not OK has to be
// waited for.
func (f *Fleet) fabric(r *record) (Check, *plan.FabricOrder) {
	c := Check{Name: checkFabric}
	m := &r.Machine
	if f.conf.Rack.Fabric.Check == fabricOff || m.Plan.Tenant == "" {
		c.OK, c.Why = true, "nothing to check"
		return c, nil
	}
	f.turn()
	g := f.rounds.current
	if g != nil && slices.Contains(g.members, r.Key) {
		if g.reports[r.Key] != nil {
			c.Why = fmt.Sprintf("round %d is under way, %d of %d machines have reported", g.order.Round, len(g.reports), len(g.members))
			return c, nil
		}
		c.Why = fmt.Sprintf("round %d: probing %d VLANs with %d machines", g.order.Round, len(g.order.VLANs), len(g.members))
		order := g.order
		order.Trunk, order.Management, order.Address = m.Plan.Tenant, m.Plan.Management, m.Address
		order.Cards = m.furtherCards()
		return c, &order
	}
	v := f.rounds.verdict[r.Key]
	if v.nonce == r.Nonce && (v.faults == "" || f.conf.Rack.Fabric.Check == fabricOnly) {
		c.OK, c.Why = true, v.why()
		return c, nil
	}
	f.await(r.Key)
	c.Why = f.whyNot()
	if v.nonce == r.Nonce {
		c.Why = v.faults + " (checked again every few seconds)"
	}
	return c, nil
}

func (f *Fleet) await(key string) {
	if len(f.rounds.waiting) == 0 {
		f.rounds.first = f.conf.Now()
	}
	if _, there := f.rounds.waiting[key]; !there {
		f.rounds.joined = f.conf.Now()
	}
	f.rounds.waiting[key] = f.conf.Now()
}

// turn ends a round that is over, and starts one when nobody new came for a
// while and nobody is on the way.
func (f *Fleet) turn() {
	now := f.conf.Now()
	if g := f.rounds.current; g != nil {
		if len(g.reports) == len(g.members) || now.After(g.ends) {
			f.conclude()
		}
		return
	}
	for key, asked := range f.rounds.waiting {
		if now.Sub(asked) > stillThere || f.records[key] == nil || f.records[key].Machine.Plan == nil {
			delete(f.rounds.waiting, key)
		}
	}
	quiet := time.Duration(f.conf.Rack.Fabric.Quiet) * time.Second
	if len(f.rounds.waiting) > 0 && now.Sub(f.rounds.joined) >= quiet && f.arriving(now) == 0 {
		f.gather(now)
	}
}

// gather starts a round of all who wait.
func (f *Fleet) gather(now time.Time) {
	f.rounds.number++
	t := f.conf.Rack.Tenant
	g := &gathering{reports: map[string]*plan.FabricReport{}, skews: map[string]time.Duration{},
		order: plan.FabricOrder{Round: f.rounds.number, MTU: cmp.Or(t.MTU, 1500)}}
	for v := t.VLANFrom; v <= t.VLANTo; v++ {
		g.order.VLANs = append(g.order.VLANs, v)
	}
	// Members begin some seconds apart: enough for three sweeps together.
	g.order.Seconds = max(roundSeconds, 5+3*int(g.order.Sweep().Seconds()))
	g.ends = now.Add(time.Duration(g.order.Seconds)*time.Second + roundPatience)
	for key := range f.rounds.waiting {
		g.members = append(g.members, key)
	}
	slices.Sort(g.members)
	g.references = f.references(now)
	g.members = append(g.members, g.references...)
	for _, key := range g.members {
		g.seat(f.records[key])
	}
	f.rounds.waiting = map[string]time.Time{}
	f.rounds.current = g
	f.rounds.nodes.tell()
	f.conf.Log.Info("fabric check starts", "round", g.order.Round, "machines", len(g.members), "nodes", len(g.references), "vlans", len(g.order.VLANs), "mtu", g.order.MTU)
}

// place is the switch port of a card, from what LLDP said on it.
func place(m *Machine, mac string) string {
	l := neighbour(m, mac)
	if l == nil {
		return ""
	}
	return strings.TrimSpace(cmp.Or(l.Switch, l.Chassis) + " port " + cmp.Or(l.Port, l.Description))
}

// switchOf is the switch that a card is plugged into; empty: not known.
func switchOf(m *Machine, mac string) string {
	l := neighbour(m, mac)
	if l == nil {
		return ""
	}
	return cmp.Or(l.Switch, l.Chassis)
}

// neighbour is whom a card heard; nil: nobody.
func neighbour(m *Machine, mac string) *plan.LLDP {
	if m.Inventory == nil {
		return nil
	}
	i := slices.IndexFunc(m.Inventory.NICs, func(n plan.NIC) bool { return strings.EqualFold(n.MAC, mac) })
	if i < 0 {
		return nil
	}
	return m.Inventory.NICs[i].LLDP
}

// conclude ends the round that is under way.
func (f *Fleet) conclude() {
	g := f.rounds.current
	f.rounds.current = nil
	round := fabric.Round{Number: g.order.Round, At: f.conf.Now(), VLANs: g.order.VLANs, MTU: g.order.MTU,
		MaxSkew: time.Duration(f.conf.Rack.Fabric.MaxSkew) * time.Second}
	for i, c := range g.cards {
		if report, took := c.heard(g.reports[c.key]); took {
			round.Members = append(round.Members, fabric.Member{FabricPeer: g.order.Peers[i], Report: report, Skew: c.skew(g.skews)})
		}
		if r := f.records[c.key]; r != nil && r.Machine.Plan != nil && r.Machine.Plan.Tenant == r.Machine.Plan.Management {
			round.Shared = true
		}
	}
	matrix := fabric.Evaluate(round)
	f.rounds.last = &matrix
	for _, key := range g.members {
		r := f.records[key]
		switch {
		case slices.Contains(g.references, key):
			if g.reports[key] == nil {
				f.rounds.nodes.silent[key] = f.conf.Now()
			}
		case r == nil || g.reports[key] == nil: // gone, or asked again in the next round
		default:
			f.rounds.verdict[key] = verdict{r.Nonce, matrix.Faults(r.Machine.ID), len(g.reports) == 1 && len(g.reports[key].More) == 0}
		}
	}
	for _, finding := range matrix.Findings {
		f.conf.Log.Warn("fabric check", "round", matrix.Round, "fault", finding.Fault, "machines", finding.Machines, "what", finding.Text)
	}
	f.conf.Log.Info("fabric check ends", "round", matrix.Round, "machines", len(g.members), "reports", len(g.reports), "findings", len(matrix.Findings))
}

// maxHeard bounds a report: every VLAN of every member in several disguises.
const maxHeard = 1 << 17

// Fabric takes what a machine heard in a round.
func (f *Fleet) Fabric(ticket, machine string, report plan.FabricReport) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.fresh(ticket, machine)
	if err != nil {
		return err
	}
	return f.report(r, report)
}

// report is a member's part in the round that is under way.
func (f *Fleet) report(r *record, report plan.FabricReport) error {
	g := f.rounds.current
	if g == nil || report.Round != g.order.Round || !slices.Contains(g.members, r.Key) {
		return fmt.Errorf("%w: machine %s reports of round %d of the fabric check, which is over or is not its own", ErrState, r.Machine.ID, report.Round)
	}
	lines := len(report.Heard)
	for _, c := range report.More {
		lines += len(c.Heard)
	}
	if lines > maxHeard || len(report.Duplicates) > 64 {
		return fmt.Errorf("%w: a fabric report of %d lines; allowed: %d", ErrDenied, lines, maxHeard)
	}
	g.reports[r.Key] = &report
	if at, err := time.Parse(time.RFC3339Nano, report.Clock); err == nil {
		g.skews[r.Key] = at.Sub(f.conf.Now())
	}
	f.turn()
	return nil
}

// Matrix is what the last round of the fabric check found; nil before one.
func (f *Fleet) Matrix() *fabric.Matrix {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turn()
	return f.rounds.last
}
