package dhcp

import (
	"fmt"
	"net/netip"
	"time"
)

// Fixed tells which addresses a pool gives to certain MACs alone.
func (p *Pool) Fixed(mac string) (netip.Addr, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.static[mac]
	return a, ok
}

// Assign gives mac that address from now on.
func (p *Pool) Assign(mac string, a netip.Addr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fix(mac, a)
}

// PinAt makes a the permanent address of mac, whatever it had before. It is
// refused where a belongs to somebody else; to ask again changes nothing.
func (p *Pool) PinAt(mac string, a netip.Addr) error {
	_, keep, err := p.Hold(mac, a)
	if err != nil {
		return err
	}
	return keep()
}

func (p *Pool) pinAt(mac string, a netip.Addr) (news bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.fix(mac, a); err != nil {
		return false, err
	}
	if _, err := p.offerStatic(mac, a, p.conf.Now()); err != nil {
		return false, err
	}
	l := p.byMAC[mac]
	news = !l.Pinned
	l.Pinned, l.kept = true, true
	p.set(l)
	return news, nil
}

// fix reserves an address for a MAC. The caller holds mu, or nobody else has
// the pool yet.
func (p *Pool) fix(mac string, a netip.Addr) error {
	if b, barred := p.barred[a]; barred && b.until.IsZero() {
		return fmt.Errorf("%w: %s is named for machine %s in rack.yaml and is the deployer's own or the controller's; name another", ErrConflict, a, mac)
	}
	if other := p.fixed[a]; other != "" && other != mac {
		return fmt.Errorf("%w: %s is named for the machines %s and %s in rack.yaml; name another for one of them", ErrConflict, a, min(mac, other), max(mac, other))
	}
	if old, ok := p.static[mac]; ok {
		delete(p.fixed, old)
	}
	p.static[mac], p.fixed[a] = a, mac
	return nil
}

// offerStatic is offer for a machine whose address is written down. It gets
// that or none.
func (p *Pool) offerStatic(mac string, a netip.Addr, now time.Time) (netip.Addr, error) {
	if p.barredNow(a, now) {
		return netip.Addr{}, fmt.Errorf("%w: %s is the address of machine %s in rack.yaml, and another device (%s) has it; look for it in the switches' tables",
			ErrConflict, a, mac, orUnknown(p.barred[a].by))
	}
	if other, taken := p.byAddr[a]; taken && other != mac && p.byMAC[other].Pinned {
		return netip.Addr{}, fmt.Errorf("%w: %s is the address of machine %s in rack.yaml, and the permanent one of machine %s; name another, or reinstall that one",
			ErrConflict, a, mac, other)
	}
	old, had := p.byMAC[mac]
	if had && old.Address == a {
		return a, nil
	}
	if had && now.Before(old.Expires) {
		p.barred[old.Address] = bar{until: old.Expires, by: mac} // it may be using it still
	}
	p.set(Lease{MAC: mac, Address: a, Expires: now.Add(offerTime)})
	return a, nil
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// Unproven tells whether it has to be asked first if anybody else has the
// address that mac is offered (RFC 2131, 4.4.1).
func (p *Pool) Unproven(mac string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.byMAC[mac]
	running := l.kept && p.conf.Now().Before(l.Expires)
	return !l.Pinned && !l.proven && !running
}

// Prove notes who answers for an address that mac is offered: nobody, mac
// itself, or another device, for which it is put aside.
func (p *Pool) Prove(mac string, a netip.Addr, owner string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.byMAC[mac]
	if !ok || l.Address != a {
		return // it was offered another one meanwhile
	}
	if owner != "" && owner != mac {
		p.setAside(mac, a, owner)
		return
	}
	l.proven = true
	p.byMAC[mac] = l
}

// setAside bars an address for a while and takes it from mac. The caller
// holds mu.
func (p *Pool) setAside(mac string, a netip.Addr, owner string) {
	p.barred[a] = bar{until: p.conf.Now().Add(quarantine), by: owner}
	p.drop(mac)
}
