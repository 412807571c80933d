package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Enrol gives a machine its identity and uses its ticket up. The same request
// again gets the same answer, since an answer can be lost; any other request
// with a used ticket is refused.
func (f *Fleet) Enrol(ticket, machine string, req plan.EnrolRequest) (e plan.Enrolment, err error) {
	err = f.durably(func() (err error) {
		e, err = f.enrol(ticket, machine, req)
		return err
	})
	if err != nil {
		return plan.Enrolment{}, err
	}
	f.nudge()
	return e, nil
}

func (f *Fleet) enrol(ticket, machine string, req plan.EnrolRequest) (plan.Enrolment, error) {
	r, err := f.holder(ticket, machine)
	if err != nil {
		return plan.Enrolment{}, err
	}
	sum := sha256.Sum256([]byte(req.CSR))
	digest := hex.EncodeToString(sum[:])
	if r.Used && r.CSR == digest {
		return f.enrolment(r), nil
	}
	if r.Used {
		return plan.Enrolment{}, fmt.Errorf("%w: machine %s has used it up by enrolling", ErrTicket, r.Machine.ID)
	}
	if err := f.change(r, func(r *record) error { return f.identify(r, req.CSR, digest) }); err != nil {
		return plan.Enrolment{}, err
	}
	return f.enrolment(f.records[r.Key]), nil
}

// identify signs and uses up in one transaction: before it is on disk nobody
// has seen the certificate.
func (f *Fleet) identify(r *record, csr, digest string) error {
	m := &r.Machine
	if m.State == Checked {
		// Its progress reports were lost.
		m.Attempts++
		if err := m.move(Installing, "", f.conf.Now); err != nil {
			return err
		}
	}
	if m.State != Installing {
		return fmt.Errorf("%w: machine %s is %s; it enrols while it is installing", ErrState, m.ID, m.State)
	}
	v, err := f.vaults.of(r.Key)
	if err != nil {
		return err
	}
	id := f.nodeID(r, v)
	var cert []byte
	if !m.Plan.Founds { // who founds a cluster has a CA of its own
		if cert, err = f.conf.Issuer.IssueNode([]byte(csr), id); err != nil {
			return fmt.Errorf("%w: %w", ErrDenied, err)
		}
	}
	// The machine may have asked for an address on another NIC since.
	a, err := f.pin(m.Plan)
	if err != nil {
		return fmt.Errorf("address of machine %s: %w", m.ID, err)
	}
	m.Address = a
	node := m.Plan.Node(f.conf.Rack, id, a)
	if m.Plan.Founds {
		node.Rack = f.conf.RackText
	}
	if err := node.Check(); err != nil {
		return err
	}
	m.Node, m.Installed, m.MayWipe = &node, true, false
	r.Used, r.CSR, r.Cert = true, digest, string(cert)
	if err := m.move(Enrolled, "", f.conf.Now); err != nil {
		return err
	}
	f.say("machine enrolled", m, "node", id)
	return nil
}

func (f *Fleet) enrolment(r *record) plan.Enrolment {
	if r.Machine.Plan.Founds {
		return plan.Enrolment{Node: *r.Machine.Node, Founds: true}
	}
	return plan.Enrolment{Node: *r.Machine.Node, Certificate: r.Cert, CA: string(f.conf.Issuer.PEM())}
}

// nudge wakes the registrar, if it sleeps.
func (f *Fleet) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}
