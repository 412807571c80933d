package fleet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Do is what a machine that boots from the network is told.
type Do string

// The answers to a boot.
const (
	DoInstall Do = "install" // boot the installer, with the ticket
	DoDisk    Do = "disk"    // boot the installed system
	DoHold    Do = "hold"    // neither; Reason says why
)

// A Decision answers a boot.
type Decision struct {
	Do     Do
	Ticket string
	Reason string
	Name   string
}

// A Boot is a machine that asks for its script.
type Boot struct {
	MAC      string
	UUID     string     // as the firmware says it; may be unusable
	Firmware string     // bios or uefi
	From     netip.Addr // who asks
}

// Discovered notes that a machine wants to boot from the network.
func (f *Fleet) Discovered(mac string, a netip.Addr, what string) error {
	return f.durably(func() error { return f.discovered(mac, a, what) })
}

func (f *Fleet) discovered(mac string, a netip.Addr, what string) error {
	r, err := f.known(mac, "")
	if err != nil {
		return err
	}
	r.lastEvent, r.lastAt = eventDiscover, f.conf.Now()
	if r.Machine.State != "" && r.Machine.Address == a {
		return nil
	}
	return f.change(r, func(r *record) error {
		r.Machine.Address = a
		if r.Machine.State != "" {
			return nil
		}
		if err := r.Machine.move(Seen, "", f.conf.Now); err != nil {
			return err
		}
		f.say("machine seen", &r.Machine, "mac", mac, "address", a, "client", what)
		return nil
	})
}

// Installed tells whether a machine that boots from the network is to go on to
// its disk.
func (f *Fleet) Installed(mac string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.findKept(mac)
	return r != nil && r.Machine.Installed && !r.Machine.cutOff()
}

// Fetched notes that the machine with that address got a file, for hints.
func (f *Fleet) Fetched(a netip.Addr, event string) {
	mac, ok := f.conf.Addresses.Owner(a)
	if !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.find(mac); r != nil {
		r.lastEvent, r.lastAt = event, f.conf.Now()
	}
}

// Boot decides what a machine boots, and gives it a ticket where it installs.
func (f *Fleet) Boot(b Boot) (Decision, error) {
	mac, err := CheckMAC(b.MAC)
	if err != nil {
		return Decision{}, fmt.Errorf("%w: %w", ErrDenied, err)
	}
	if err := f.ownAddress(mac, b.From); err != nil {
		return Decision{}, err
	}
	var d Decision
	err = f.durably(func() (err error) {
		d, err = f.boot(mac, b)
		return err
	})
	if err != nil {
		return Decision{}, err
	}
	return d, nil
}

func (f *Fleet) boot(mac string, b Boot) (d Decision, err error) {
	r, err := f.known(mac, b.UUID)
	if err != nil {
		return d, err
	}
	err = f.change(r, func(r *record) error {
		m := &r.Machine
		m.Firmware, m.Address = b.Firmware, b.From
		if m.cutOff() {
			if err := m.again(f.conf.Now); err != nil {
				return err
			}
		}
		d = decide(m)
		r.lastEvent, r.lastAt = string(d.Do), f.conf.Now()
		if d.Do != DoInstall {
			m.note("boots from the network", "told to "+string(d.Do), f.conf.Now)
			return nil
		}
		nonce, err := newNonce()
		if err != nil {
			return err
		}
		r.Nonce, r.Used, r.CSR, r.Cert = nonce, false, "", ""
		m.Inventory, m.Plan, m.Checks, m.Progress, m.Wait = nil, nil, nil, nil, ""
		r.carried, r.heard, r.asked = Traffic{}, time.Time{}, time.Time{}
		f.swarm.forget(r.Key)
		d.Ticket = f.tickets.seal(claim{MAC: r.Key, Nonce: nonce, Expires: f.conf.Now().Add(f.conf.TicketFor)})
		if m.State == Booting {
			m.note("boots from the network", "again", f.conf.Now)
			return nil
		}
		return m.move(Booting, "", f.conf.Now)
	})
	if err != nil {
		return d, err
	}
	f.say("machine boots", &f.records[r.Key].Machine, "mac", mac, "firmware", b.Firmware, "told", d.Do, "why", d.Reason)
	return d, nil
}

// decide is the rule that no loop can wipe.
func decide(m *Machine) Decision {
	switch {
	case m.Installed:
		return Decision{Do: DoDisk, Name: m.Name, Reason: "it is installed"}
	case m.Attempts >= maxAttempts:
		return Decision{Do: DoHold, Name: m.Name, Reason: fmt.Sprintf(
			"%d installations did not come to their end; the last one: %s. An operator has to allow another", m.Attempts, orNone(m.Reason))}
	}
	return Decision{Do: DoInstall, Name: m.Name}
}

func orNone(s string) string {
	if s == "" {
		return "no reason given"
	}
	return s
}

// ownAddress refuses a script for one machine to another that asks for it.
func (f *Fleet) ownAddress(mac string, from netip.Addr) error {
	if owner, ok := f.conf.Addresses.Owner(from); ok && owner != mac {
		return fmt.Errorf("%w: %s belongs to %s, which asks for the script of %s", ErrDenied, from, owner, mac)
	}
	if a, ok := f.conf.Addresses.Address(mac); ok && a != from {
		return fmt.Errorf("%w: %s asks for the script of %s, whose address is %s", ErrDenied, from, mac, a)
	}
	return nil
}

var errFull = errors.New("too many machines wait to be installed")

// known finds the record of a machine or makes one. A UUID joins the NICs of
// one machine.
func (f *Fleet) known(mac, id string) (*record, error) {
	byMAC := f.find(mac)
	id = usableUUID(id)
	byID := f.findID(id)
	switch {
	case byID != nil && byMAC == byID:
		return byID, nil
	case byID != nil:
		return f.join(byID, byMAC, mac)
	case byMAC == nil:
		return f.create(mac, id)
	case id != "" && strings.HasPrefix(byMAC.Machine.ID, "mac-"):
		err := f.change(byMAC, func(r *record) error { r.Machine.ID = id; return nil })
		return f.records[byMAC.Key], err
	}
	return byMAC, nil
}

func (f *Fleet) findID(id string) *record {
	if id == "" {
		return nil
	}
	if r := f.find(id); r != nil {
		return r
	}
	return f.find(swapped(id))
}

// join adds a NIC to a machine. What was kept under the NIC alone is dropped,
// unless it is a machine of its own (its board was swapped, say).
func (f *Fleet) join(r, other *record, mac string) (*record, error) {
	if other != nil && other.Machine.Installed {
		return nil, fmt.Errorf("%w: %s is a NIC of the installed machine %s and now claims to be %s; reinstall the former if its board was replaced",
			ErrDenied, mac, other.Machine.ID, r.Machine.ID)
	}
	if other != nil {
		if err := f.remove(other); err != nil {
			return nil, err
		}
	}
	err := f.change(r, func(r *record) error {
		r.Machine.MACs = slices.Insert(r.Machine.MACs, 0, mac)
		return nil
	})
	return f.records[r.Key], err
}

func (f *Fleet) create(mac, id string) (*record, error) {
	if err := f.makeRoom(); err != nil {
		return nil, err
	}
	if id == "" {
		id = idFromMAC(mac)
	}
	r := &record{Key: mac, live: &live{}, Machine: Machine{ID: id, MACs: []string{mac}, Since: f.conf.Now()}}
	return r, f.store(r)
}

// makeRoom keeps the number of machines bounded that are not installed: one
// that was seen a while ago and came no further is forgotten.
func (f *Fleet) makeRoom() error {
	n := 0
	var oldest *record
	for _, r := range f.records {
		if r.Machine.Installed {
			continue
		}
		n++
		if r.Machine.State == Seen && !r.Machine.MayWipe && (oldest == nil || r.Machine.Since.Before(oldest.Machine.Since)) {
			oldest = r
		}
	}
	switch {
	case n < maxUninstalled:
		return nil
	case oldest != nil && f.conf.Now().Sub(oldest.Machine.Since) > strangerMemory:
		return f.remove(oldest)
	}
	return fmt.Errorf("%w: %w: %d; allowed: %d", ErrDenied, errFull, n, maxUninstalled)
}
