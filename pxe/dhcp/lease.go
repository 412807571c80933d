package dhcp

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"go.etcd.io/bbolt"
)

// Commit gives mac the address for the lease time, durably. ErrForeign means
// that it is not the one that mac was offered.
func (p *Pool) Commit(mac string, a netip.Addr) (Lease, error) {
	l, news, err := p.commit(mac, a)
	if err != nil || !news {
		return l, err
	}
	return l, p.keep(mac)
}

func (p *Pool) commit(mac string, a netip.Addr) (_ Lease, news bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.conf.Now()
	l, ok := p.byMAC[mac]
	if !ok || l.Address != a || !p.holds(l, now) {
		return Lease{}, false, fmt.Errorf("%s for %s: %w", a, mac, ErrForeign)
	}
	if l.Pinned || l.kept && l.Expires.Sub(now) > p.conf.LeaseTime/2 {
		return l, false, nil
	}
	l.Expires, l.kept = now.Add(p.conf.LeaseTime), true
	p.set(l)
	return l, true, nil
}

// holds tells whether the machine may go on using its lease.
func (p *Pool) holds(l Lease, now time.Time) bool {
	if a, ok := p.static[l.MAC]; ok {
		return a == l.Address
	}
	return l.Pinned || p.usable(l.Address, now)
}

// Pin makes the address of mac permanent and returns it.
func (p *Pool) Pin(mac string) (netip.Addr, error) {
	a, keep, err := p.Hold(mac, netip.Addr{})
	if err != nil {
		return netip.Addr{}, err
	}
	return a, keep()
}

// Hold is [Pool.Pin], or [Pool.PinAt] where an address is named, whose writing
// is left to keep: until that has returned, nobody may be told.
func (p *Pool) Hold(mac string, named netip.Addr) (held netip.Addr, keep func() error, err error) {
	var news bool
	if named.IsValid() {
		held = named
		news, err = p.pinAt(mac, named)
	} else {
		held, news, err = p.pin(mac)
	}
	if err != nil {
		return netip.Addr{}, nil, err
	}
	if !news {
		return held, func() error { return nil }, nil
	}
	return held, func() error { return p.keep(mac) }, nil
}

func (p *Pool) pin(mac string) (_ netip.Addr, news bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, err := p.offer(mac)
	if err != nil {
		return netip.Addr{}, false, err
	}
	l := p.byMAC[mac]
	news = !l.Pinned
	l.Pinned, l.kept = true, true
	p.set(l)
	return a, news, nil
}

// Release takes back what mac gave up itself. Pinned addresses stay.
func (p *Pool) Release(mac string) error {
	p.mu.Lock()
	l, ok := p.byMAC[mac]
	if ok && !l.Pinned {
		l.Expires = p.conf.Now()
		p.set(l)
	}
	p.mu.Unlock()
	if !ok || l.Pinned || !l.kept {
		return nil
	}
	return p.keep(mac)
}

// Decline puts an address aside that mac found in use on the wire.
func (p *Pool) Decline(mac string, a netip.Addr) error {
	p.mu.Lock()
	l, ok := p.byMAC[mac]
	mine := ok && l.Address == a
	if mine && !l.Pinned { // a machine's permanent address stays: its duplicate has to go
		p.setAside(mac, a, "")
	}
	p.mu.Unlock()
	if !mine {
		return fmt.Errorf("%s from %s: %w", a, mac, ErrForeign)
	}
	return p.keep(mac)
}

// Address tells which address mac has.
func (p *Pool) Address(mac string) (netip.Addr, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.byMAC[mac]
	return l.Address, ok
}

// Owner tells which MAC has the address.
func (p *Pool) Owner(a netip.Addr) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	mac, ok := p.byAddr[a]
	return mac, ok
}

// keep writes what holds for mac now, and whatever else is out of date,
// together with the writes of others that come at the same moment: a rack that
// is switched on asks all at once, and each write waits for the disk.
func (p *Pool) keep(mac string) error {
	var upTo uint64 // the last change that is written
	err := p.conf.DB.Batch(func(tx *bbolt.Tx) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		upTo = p.change
		b := tx.Bucket(p.conf.bucket())
		if err := p.write(b, mac); err != nil {
			return err
		}
		for other := range p.stale {
			if err := p.write(b, other); err != nil {
				return err
			}
		}
		return nil
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		if l, ok := p.byMAC[mac]; ok {
			l.kept, l.Pinned = false, false // to be written the next time
			p.byMAC[mac] = l
		}
		return fmt.Errorf("keep lease of %s: %w", mac, err)
	}
	maps.DeleteFunc(p.stale, func(_ string, since uint64) bool { return since <= upTo })
	return nil
}

// write makes the entry of mac in the database what it is in memory. The
// caller holds mu.
func (p *Pool) write(b *bbolt.Bucket, mac string) error {
	l, ok := p.byMAC[mac]
	if !ok || !l.kept {
		return b.Delete([]byte(mac))
	}
	v, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return b.Put([]byte(mac), v)
}
