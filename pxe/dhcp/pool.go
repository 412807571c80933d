package dhcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// Errors of a pool.
var (
	ErrExhausted = errors.New("every address of the range is in use")
	ErrForeign   = errors.New("the address belongs to another machine")
	ErrConflict  = errors.New("two claim one address")
)

// A Lease is one address given to one MAC. A pinned one is for good: the
// machine keeps it as its static address.
type Lease struct {
	MAC     string     `json:"mac"`
	Address netip.Addr `json:"address"`
	Expires time.Time  `json:"expires"`
	Pinned  bool       `json:"pinned,omitempty"`
	kept    bool       // in the database
	proven  bool       // nobody else answered for the address when it was offered
}

// PoolConfig says which addresses a pool may give. From and To are included,
// Reserved is left out.
type PoolConfig struct {
	DB        *bbolt.DB
	Name      string // of the pool in the database; empty for the deployer's own network
	From, To  netip.Addr
	Reserved  []netip.Addr
	Static    map[string]netip.Addr // by MAC: exactly these, in the range or not
	LeaseTime time.Duration         // default 12 h: longer than any installation
	Now       func() time.Time      // default time.Now
}

// A Pool gives addresses to MACs and remembers them durably.
type Pool struct {
	conf PoolConfig

	mu     sync.Mutex
	byMAC  map[string]Lease // guarded by mu; so are those below
	byAddr map[netip.Addr]string
	stale  map[string]uint64 // MACs whose entry in the database is no longer true, and since which change
	change uint64
	static map[string]netip.Addr
	barred map[netip.Addr]bar
}

// A bar keeps an address from being given.
type bar struct {
	until time.Time // zero: for ever
	by    string    // MAC of the device that has it, if it is known
}

// quarantine is how long an address is left alone that somebody else has.
const quarantine = 10 * time.Minute

// offerTime is how long an address is held for a client that was offered it.
const offerTime = time.Minute

// bucket is where the pool's leases are.
func (c *PoolConfig) bucket() []byte {
	if c.Name == "" {
		return []byte("leases")
	}
	return []byte("leases " + c.Name)
}

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
	p := &Pool{conf: conf, byMAC: map[string]Lease{}, byAddr: map[netip.Addr]string{}, stale: map[string]uint64{},
		static: map[string]netip.Addr{}, barred: map[netip.Addr]bar{}}
	for _, a := range conf.Reserved {
		p.barred[a] = bar{}
	}
	if err := p.read(); err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	for mac, a := range conf.Static {
		if err := p.fix(mac, a); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Pool) read() error {
	return p.conf.DB.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(p.conf.bucket())
		if err != nil {
			return err
		}
		return b.ForEach(func(_, v []byte) error {
			var l Lease
			if err := json.Unmarshal(v, &l); err != nil {
				return err
			}
			l.kept = true
			p.set(l)
			return nil
		})
	})
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
	if a, ok := p.static[mac]; ok {
		return p.offerStatic(mac, a, now)
	}
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

// usable tells whether an address of the range may be given out at all.
func (p *Pool) usable(a netip.Addr, now time.Time) bool {
	return !a.Less(p.conf.From) && !p.conf.To.Less(a) && !p.barredNow(a, now) && p.fixedFor(a) == ""
}

func (p *Pool) barredNow(a netip.Addr, now time.Time) bool {
	b, barred := p.barred[a]
	return barred && (b.until.IsZero() || !now.After(b.until))
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
		p.outdated(old)
	}
	if mac, ok := p.byAddr[l.Address]; ok && mac != l.MAC {
		p.drop(mac)
	}
	p.byMAC[l.MAC], p.byAddr[l.Address] = l, l.MAC
}

// drop takes the lease of mac away, in memory.
func (p *Pool) drop(mac string) {
	l, ok := p.byMAC[mac]
	if !ok {
		return
	}
	p.outdated(l)
	delete(p.byAddr, l.Address)
	delete(p.byMAC, mac)
}

// outdated notes that what the database has of a lease is no longer true.
func (p *Pool) outdated(l Lease) {
	if l.kept {
		p.change++
		p.stale[l.MAC] = p.change
	}
}

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
	a, news, err := p.pin(mac)
	if err != nil || !news {
		return a, err
	}
	return a, p.keep(mac)
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
