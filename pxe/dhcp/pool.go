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
	fixed  map[netip.Addr]string // static the other way round
	barred map[netip.Addr]bar
	next   netip.Addr // where to look for a free address first
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
		static: map[string]netip.Addr{}, fixed: map[netip.Addr]string{}, next: conf.From, barred: map[netip.Addr]bar{}}
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
	return !a.Less(p.conf.From) && !p.conf.To.Less(a) && !p.barredNow(a, now) && p.fixed[a] == ""
}

func (p *Pool) barredNow(a netip.Addr, now time.Time) bool {
	b, barred := p.barred[a]
	return barred && (b.until.IsZero() || !now.After(b.until))
}

// free finds an address that nobody has, else the one that ran out first.
func (p *Pool) free(now time.Time) (netip.Addr, error) {
	var oldest Lease
	look := func(from, to netip.Addr) (netip.Addr, bool) {
		for a := from; !to.Less(a); a = a.Next() {
			mac, taken := p.byAddr[a]
			if taken {
				l := p.byMAC[mac]
				if !l.Pinned && now.After(l.Expires) && (oldest.MAC == "" || l.Expires.Before(oldest.Expires)) && p.usable(a, now) {
					oldest = l
				}
			} else if p.usable(a, now) {
				p.next = a.Next()
				return a, true
			}
		}
		return netip.Addr{}, false
	}
	if a, ok := look(p.next, p.conf.To); ok {
		return a, nil
	}
	if a, ok := look(p.conf.From, p.conf.To); ok {
		return a, nil
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
