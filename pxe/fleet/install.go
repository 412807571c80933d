package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// PhaseFailed is the phase of a progress report that ends an installation.
const PhaseFailed = "failed"

// holder finds the machine that a ticket is for. It refuses a ticket of
// another machine, of an earlier boot, and one that was used up.
func (f *Fleet) holder(ticket, machine string) (*record, error) {
	c, err := f.tickets.open(ticket, f.conf.Now())
	if err != nil {
		return nil, err
	}
	r, ok := f.records[c.MAC]
	if !ok {
		return nil, fmt.Errorf("%w: its machine is unknown here", ErrTicket)
	}
	if !r.Machine.is(machine) && !f.adopts(r, machine) {
		return nil, fmt.Errorf("%w: it is for machine %s, not for %s", ErrTicket, r.Machine.ID, machine)
	}
	if c.Nonce != r.Nonce {
		return nil, fmt.Errorf("%w: machine %s has booted again since", ErrTicket, r.Machine.ID)
	}
	r.heard = f.conf.Now()
	return r, nil
}

// adopts tells whether a machine known by its MAC alone may take the UUID:
// its firmware did not say it, and nobody else has it.
func (f *Fleet) adopts(r *record, id string) bool {
	return strings.HasPrefix(r.Machine.ID, "mac-") && usableUUID(id) != "" && f.findID(usableUUID(id)) == nil
}

// fresh is holder for what needs a ticket that was not used up.
func (f *Fleet) fresh(ticket, machine string) (*record, error) {
	r, err := f.holder(ticket, machine)
	if err != nil {
		return nil, err
	}
	if r.Used {
		return nil, fmt.Errorf("%w: machine %s has used it up by enrolling", ErrTicket, r.Machine.ID)
	}
	return r, nil
}

// Inventory takes what a machine consists of and answers with its plan.
func (f *Fleet) Inventory(ticket, machine string, inv plan.Inventory) (a plan.Answer, err error) {
	err = f.durably(func() (err error) {
		a, err = f.inventory(ticket, machine, inv)
		return err
	})
	if err != nil {
		return plan.Answer{}, err
	}
	return a, nil
}

func (f *Fleet) inventory(ticket, machine string, inv plan.Inventory) (plan.Answer, error) {
	r, err := f.fresh(ticket, machine)
	if err != nil {
		return plan.Answer{}, err
	}
	if !strings.EqualFold(inv.Machine, machine) {
		return plan.Answer{}, fmt.Errorf("%w: inventory of machine %s under the name of %s", ErrDenied, inv.Machine, machine)
	}
	if inv.BootMAC == "" {
		inv.BootMAC = r.Machine.MACs[0]
	}
	inv.BootMAC = strings.ToLower(inv.BootMAC)
	if !slices.Contains(r.Machine.MACs, inv.BootMAC) {
		return plan.Answer{}, fmt.Errorf("%w: booted from %s, which is none of the machine's NICs %v", ErrDenied, inv.BootMAC, r.Machine.MACs)
	}
	var answer plan.Answer
	err = f.change(r, func(r *record) error {
		m := &r.Machine
		if f.adopts(r, machine) {
			m.ID = usableUUID(machine)
		}
		if err := m.move(Inventoried, "", f.conf.Now); err != nil {
			return err
		}
		m.Inventory, m.Plan, m.Checks, m.Progress = &inv, nil, nil, nil
		r.refresh = false
		f.say("machine inventoried", m, "cpus", inv.CPUs, "memory_mib", inv.MemoryMiB, "disks", len(inv.Disks), "nics", len(inv.NICs))
		var err error
		answer, err = f.advance(r)
		return err
	})
	return answer, err
}

// Plan answers a machine that was told to wait.
func (f *Fleet) Plan(ticket, machine string) (a plan.Answer, err error) {
	err = f.durably(func() (err error) {
		a, err = f.planned(ticket, machine)
		return err
	})
	if err != nil {
		return plan.Answer{}, err
	}
	return a, nil
}

func (f *Fleet) planned(ticket, machine string) (plan.Answer, error) {
	r, err := f.fresh(ticket, machine)
	if err != nil {
		return plan.Answer{}, err
	}
	m := &r.Machine
	switch m.State {
	case Failed:
		return plan.Answer{Refused: m.Reason}, nil
	case Inventoried, Matched, Checked:
	default:
		return plan.Answer{}, fmt.Errorf("%w: machine %s is %s; a plan follows an inventory", ErrState, m.ID, m.State)
	}
	if again, wanted := r.refreshed(); wanted {
		return again, nil
	}
	var answer plan.Answer
	err = f.change(r, func(r *record) error {
		var err error
		answer, err = f.advance(r)
		return err
	})
	return answer, err
}

// advance takes a machine from its inventory to an approved plan, as far as
// it goes, and says how far that is.
func (f *Fleet) advance(r *record) (plan.Answer, error) {
	m := &r.Machine
	if m.State == Checked {
		return plan.Answer{Plan: m.Plan}, nil
	}
	if m.State == Inventoried {
		if err := f.match(r); err != nil {
			f.conf.Log.Warn("machine refused", "machine", m.ID, "why", err)
			return plan.Answer{Refused: err.Error()}, m.move(Failed, err.Error(), f.conf.Now)
		}
	}
	switches, order := f.fabric(r)
	m.Checks = append(f.checks(r), switches)
	m.Wait = waitFor(m, f.conf.Rack.Approve)
	if m.Wait == "" {
		m.Wait = f.place(r)
	}
	if m.Wait != "" {
		return plan.Answer{Wait: m.Wait, Fabric: order}, nil
	}
	if err := m.move(Checked, "", f.conf.Now); err != nil {
		return plan.Answer{}, err
	}
	f.say("machine may be installed", m, "disk", m.Plan.Disk.Path, "roles", m.Plan.Roles)
	return plan.Answer{Plan: m.Plan}, nil
}

// match makes the plan: role by rule, a name and an address that nobody has.
func (f *Fleet) match(r *record) error {
	m := &r.Machine
	p, err := f.plan(r)
	if err != nil {
		return err
	}
	a, err := f.pin(&p)
	if err != nil {
		return fmt.Errorf("no address for the machine: %w", err)
	}
	m.Plan, m.Rule, m.Name, m.Address = &p, p.Rule, p.HostName, a
	if err := m.move(Matched, "", f.conf.Now); err != nil {
		return err
	}
	f.say("machine matched", m, "rule", p.Rule, "address", a)
	return nil
}

// checks is what can be told from here before the disk is touched.
func (f *Fleet) checks(own *record) []Check {
	m := &own.Machine
	list := []Check{{Name: "one DHCP server", OK: true}, {Name: "own address", OK: true}, {Name: "own tenant NIC", OK: true}}
	if rogue := f.otherServer(); rogue != "" {
		list[0] = Check{Name: list[0].Name, Why: fmt.Sprintf("another DHCP server, %s, answers on this network; switch it off", rogue)}
	}
	for _, r := range f.records {
		o := &r.Machine
		if r.Key == own.Key {
			continue
		}
		if o.Address == m.Address && o.Name != "" {
			list[1] = Check{Name: list[1].Name, Why: fmt.Sprintf("machine %s has %s too", o.ID, m.Address)}
		}
		if m.Plan.Tenant != "" && o.Plan != nil && (o.Plan.Tenant == m.Plan.Tenant || slices.Contains(o.MACs, m.Plan.Tenant)) {
			list[2] = Check{Name: list[2].Name, Why: fmt.Sprintf("machine %s has a NIC %s too", o.ID, m.Plan.Tenant)}
		}
	}
	return list
}

// waitFor says what stands between a plan and its execution.
func waitFor(m *Machine, approve string) string {
	for _, c := range m.Checks {
		if !c.OK {
			return c.Name + ": " + c.Why
		}
	}
	if approve == plan.ApproveManual && !m.Approved {
		return fmt.Sprintf("an operator has to approve machine %s (%s, serial %s)", m.ID, m.Name, orUnknown(m.Inventory.Serial))
	}
	return ""
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
