package dhcp

import (
	"fmt"
	"net/netip"
	"sync"
)

// maxLearned bounds how many addresses of other servers are remembered.
const maxLearned = 4096

// Networks are the addresses of all machines of a rack, whatever network they
// are in and whoever gave them.
type Networks struct {
	own     *Pool
	relayed []Network
	aside   *Pool // see Aside; nil: none

	mu      sync.Mutex
	last    map[string]*Pool      // where a MAC was last seen; guarded by mu; so are those below
	learned map[string]netip.Addr // by MAC: addresses that another server gave
	owner   map[netip.Addr]string // the same the other way round
}

// NewNetworks joins the pool of the deployer's own network with those behind
// relay agents.
func NewNetworks(own *Pool, relayed []Network) *Networks {
	return &Networks{own: own, relayed: relayed, last: map[string]*Pool{}, learned: map[string]netip.Addr{}, owner: map[netip.Addr]string{}}
}

// Aside adds a pool whose addresses machines have only while their firmware
// runs: none of them keeps one. It has to be called before others use n.
func (n *Networks) Aside(p *Pool) { n.aside = p }

// Learn notes an address that another server gave.
func (n *Networks) Learn(mac string, a netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.learned[mac]; !known && len(n.learned) >= maxLearned {
		return
	}
	if old, ok := n.learned[mac]; ok {
		delete(n.owner, old)
	}
	if other, ok := n.owner[a]; ok {
		delete(n.learned, other)
	}
	n.learned[mac], n.owner[a] = a, mac
}

// Saw notes in which network a machine is, by the address that it is offered.
func (n *Networks) Saw(mac string, a netip.Addr) {
	p := n.at(a)
	if n.aside != nil {
		if _, aside := n.aside.Owner(a); aside {
			return
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.last) < maxLearned || n.last[mac] != nil {
		n.last[mac] = p
	}
}

// at is the pool of the network that an address belongs to.
func (n *Networks) at(a netip.Addr) *Pool {
	for _, r := range n.relayed {
		if r.Prefix.Contains(a) {
			return r.Pool
		}
	}
	return n.own
}

// of is the pool of the network that a machine is in.
func (n *Networks) of(mac string) *Pool {
	n.mu.Lock()
	p := n.last[mac]
	n.mu.Unlock()
	if p != nil {
		return p
	}
	for _, r := range n.relayed { // it was seen before a restart, perhaps
		if _, ok := r.Pool.Address(mac); ok {
			return r.Pool
		}
	}
	return n.own
}

// Pin makes the address of mac permanent and returns it.
func (n *Networks) Pin(mac string) (netip.Addr, error) { return n.of(mac).Pin(mac) }

// PinAt makes a the permanent address of mac. It has to belong to the network
// that the machine is in.
func (n *Networks) PinAt(mac string, a netip.Addr) error {
	_, keep, err := n.Hold(mac, a)
	if err != nil {
		return err
	}
	return keep()
}

// Hold is [Pool.Hold] of the network that the machine is in.
func (n *Networks) Hold(mac string, named netip.Addr) (held netip.Addr, keep func() error, err error) {
	in := n.of(mac)
	if named.IsValid() && n.at(named) != in {
		return netip.Addr{}, nil, fmt.Errorf("%w: %s is named for machine %s in rack.yaml, which is in the network of %s-%s", ErrConflict, named, mac, in.conf.From, in.conf.To)
	}
	return in.Hold(mac, named)
}

// Address tells which address mac has, as far as is known.
func (n *Networks) Address(mac string) (netip.Addr, bool) {
	n.mu.Lock()
	a, ok := n.learned[mac]
	n.mu.Unlock()
	if ok {
		return a, true
	}
	return n.of(mac).Address(mac)
}

// Owner tells which MAC has the address.
func (n *Networks) Owner(a netip.Addr) (string, bool) {
	n.mu.Lock()
	mac, ok := n.owner[a]
	n.mu.Unlock()
	if ok {
		return mac, true
	}
	if n.aside != nil {
		if mac, ok := n.aside.Owner(a); ok {
			return mac, true
		}
	}
	return n.at(a).Owner(a)
}
