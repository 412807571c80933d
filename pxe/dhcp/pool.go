package dhcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// Errors of a pool.
var (
	ErrExhausted = errors.New("every address of the range is in use")
	ErrForeign   = errors.New("the address belongs to another machine")
)

// A Lease is one address given to one MAC. A pinned one is for good: the
// machine keeps it as its static address.
type Lease struct {
	MAC     string     `json:"mac"`
	Address netip.Addr `json:"address"`
	Expires time.Time  `json:"expires"`
	Pinned  bool       `json:"pinned,omitempty"`
}

// PoolConfig says which addresses a pool may give. From and To are included,
// Reserved is left out.
type PoolConfig struct {
	DB        *bbolt.DB
	From, To  netip.Addr
	Reserved  []netip.Addr
	LeaseTime time.Duration    // default 12 h: longer than any installation
	Now       func() time.Time // default time.Now
}

// A Pool gives addresses to MACs and remembers them durably.
type Pool struct {
	conf PoolConfig

	mu     sync.Mutex
	byMAC  map[string]Lease // guarded by mu; so are the two below
	byAddr map[netip.Addr]string
	barred map[netip.Addr]time.Time // declined or reserved, until then; zero: for ever
}

// quarantine is how long a declined address is left alone.
const quarantine = 10 * time.Minute

// offerTime is how long an address is held for a client that was offered it.
const offerTime = time.Minute

func bucketLeases() []byte { return []byte("leases") }

// OpenPool reads the leases that are in the database.
func OpenPool(conf PoolConfig) (*Pool, error) {
	if !conf.From.Is4() || !conf.To.Is4() || conf.To.Less(conf.From) {
		return nil, fmt.Errorf("address range %s-%s is empty; allowed: two IPv4 addresses, the lower one first", conf.From, conf.To)
	}
	if conf.LeaseTime == 0 {
		conf.LeaseTime = 12 * time.Hour
	}
	if conf.Now == nil {
		conf.Now = time.Now
	}
	p := &Pool{conf: conf, byMAC: map[string]Lease{}, byAddr: map[netip.Addr]string{}, barred: map[netip.Addr]time.Time{}}
	for _, a := range conf.Reserved {
		p.barred[a] = time.Time{}
	}
	err := conf.DB.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketLeases())
		if err != nil {
			return err
		}
		return b.ForEach(func(_, v []byte) error {
			var l Lease
			if err := json.Unmarshal(v, &l); err != nil {
				return err
			}
			p.byMAC[l.MAC], p.byAddr[l.Address] = l, l.MAC
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	return p, nil
}

// Offer names the address that mac has or may have. It holds it for a minute
// and writes nothing.
func (p *Pool) Offer(mac string) (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.offer(mac)
}

func (p *Pool) offer(mac string) (netip.Addr, error) {
	now := p.conf.Now()
	if l, ok := p.byMAC[mac]; ok && (l.Pinned || p.usable(l.Address, now)) {
		return l.Address, nil
	}
	a, err := p.free(now)
	if err != nil {
		return netip.Addr{}, err
	}
	p.set(Lease{MAC: mac, Address: a, Expires: now.Add(offerTime)})
	return a, nil
}

// usable tells whether an address may be given out at all.
func (p *Pool) usable(a netip.Addr, now time.Time) bool {
	if a.Less(p.conf.From) || p.conf.To.Less(a) {
		return false
	}
	until, barred := p.barred[a]
	return !barred || (!until.IsZero() && now.After(until))
}

// free finds an address that nobody has, else the one that ran out first.
func (p *Pool) free(now time.Time) (netip.Addr, error) {
	var oldest Lease
	for a := p.conf.From; !p.conf.To.Less(a); a = a.Next() {
		if !p.usable(a, now) {
			continue
		}
		mac, taken := p.byAddr[a]
		if !taken {
			return a, nil
		}
		l := p.byMAC[mac]
		if !l.Pinned && now.After(l.Expires) && (oldest.MAC == "" || l.Expires.Before(oldest.Expires)) {
			oldest = l
		}
	}
	if oldest.MAC == "" {
		return netip.Addr{}, fmt.Errorf("%w: %s-%s", ErrExhausted, p.conf.From, p.conf.To)
	}
	return oldest.Address, nil
}

// set makes l the lease of its MAC and of its address, in memory.
func (p *Pool) set(l Lease) {
	if old, ok := p.byMAC[l.MAC]; ok {
		delete(p.byAddr, old.Address)
	}
	if mac, ok := p.byAddr[l.Address]; ok {
		delete(p.byMAC, mac)
	}
	p.byMAC[l.MAC], p.byAddr[l.Address] = l, l.MAC
}

// Commit gives mac the address for the lease time, durably. ErrForeign means
// that it is not the one that mac was offered.
func (p *Pool) Commit(mac string, a netip.Addr) (Lease, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.conf.Now()
	l, ok := p.byMAC[mac]
	if !ok || l.Address != a || (!l.Pinned && !p.usable(a, now)) {
		return Lease{}, fmt.Errorf("%s for %s: %w", a, mac, ErrForeign)
	}
	if l.Pinned || l.Expires.Sub(now) > p.conf.LeaseTime/2 {
		return l, nil // nothing new to remember
	}
	l.Expires = now.Add(p.conf.LeaseTime)
	return l, p.save(l)
}

// Pin makes the address of mac permanent and returns it.
func (p *Pool) Pin(mac string) (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, err := p.offer(mac)
	if err != nil {
		return netip.Addr{}, err
	}
	l := p.byMAC[mac]
	if l.Pinned {
		return a, nil
	}
	l.Pinned = true
	return a, p.save(l)
}

// Release takes back what mac gave up itself. Pinned addresses stay.
func (p *Pool) Release(mac string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.byMAC[mac]
	if !ok || l.Pinned {
		return nil
	}
	l.Expires = p.conf.Now()
	return p.save(l)
}

// Decline puts an address aside that mac found in use on the wire.
func (p *Pool) Decline(mac string, a netip.Addr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.byMAC[mac]
	if !ok || l.Address != a {
		return fmt.Errorf("%s from %s: %w", a, mac, ErrForeign)
	}
	if l.Pinned {
		return nil // a machine's own address: its duplicate has to go
	}
	p.barred[a] = p.conf.Now().Add(quarantine)
	delete(p.byMAC, mac)
	delete(p.byAddr, a)
	return p.conf.DB.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketLeases()).Delete([]byte(mac)) })
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

// save writes l durably before it counts. A MAC that had the address before
// loses its entry in the same transaction.
func (p *Pool) save(l Lease) error {
	v, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("lease of %s: %w", l.MAC, err)
	}
	err = p.conf.DB.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketLeases())
		var stale [][]byte
		err := b.ForEach(func(k, v []byte) error {
			var other Lease
			if err := json.Unmarshal(v, &other); err != nil {
				return err
			}
			if other.Address == l.Address && other.MAC != l.MAC {
				stale = append(stale, append([]byte(nil), k...))
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, k := range stale {
			if err := b.Delete(k); err != nil {
				return err
			}
		}
		return b.Put([]byte(l.MAC), v)
	})
	if err != nil {
		return fmt.Errorf("keep lease of %s: %w", l.MAC, err)
	}
	p.set(l)
	return nil
}
