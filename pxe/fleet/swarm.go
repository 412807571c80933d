package fleet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// Limits of a swarm.
const (
	swarmSilence  = 10 * time.Second // who says nothing for that long serves nobody any more
	swarmStall    = 10 * time.Second // who gets nothing for that long loses what it was to fetch to others
	maxPeers      = 16               // that a machine is told of
	maxGrant      = 16               // chunks that a machine has yet to fetch from the deployer
	minGrant      = 3                // the same when little is left: as many as it fetches at once
	maxComplaints = 64               // peers that a machine may complain of
)

// A swarm is who installs now and which chunks of root.img each has. Every
// chunk is given to one machine, which fetches it from the deployer; the others
// have it from there. Nothing of it is kept: machines say again what they have.
// Guarded by Fleet.mu.
//
// Chunk 0 is left out: machines write it when they have checked the others, and
// fetch it from the deployer then.
type swarm struct {
	chunks  int                // of root.img; 0: there is no swarm
	members map[string]*member // by record
}

// A member is a machine of a swarm.
type member struct {
	name    string
	url     string // empty: it serves nobody
	bits    plan.Bits
	take    plan.Bits // what it is to fetch from the deployer and does not have yet
	first   int       // where it last began anew
	next    int       // behind what it was given last
	heard   time.Time
	moved   time.Time       // when it last had a new chunk, or was given one with none left
	damaged map[string]bool // URLs of peers that gave it wrong chunks
	silent  []string        // the same of those that give it nothing
}

// trusts tells whether what o has can be had by m.
func (m *member) trusts(o *member) bool {
	return o.url != "" && !m.damaged[o.url] && !slices.Contains(m.silent, o.url)
}

func (s *swarm) forget(key string) { delete(s.members, key) }

// Have takes what an installing machine at that address has of root.img, and
// tells it where the rest is.
func (f *Fleet) Have(ticket, machine string, from netip.Addr, have plan.Have) (plan.Swarm, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.holder(ticket, machine)
	if err != nil {
		return plan.Swarm{}, err
	}
	switch m := &r.Machine; {
	case m.State == Checked, m.State == Installing, m.State == Enrolled && !r.complete():
	default:
		return plan.Swarm{}, fmt.Errorf("%w: machine %s is %s; it has chunks for others while it is installing", ErrState, m.ID, m.State)
	}
	if have.Port < 0 || have.Port > 65535 || len(have.Bits) > len(all(f.swarm.chunks)) || have.Sent < 0 || have.Taken < 0 || len(have.Damaged)+len(have.Silent) > maxComplaints {
		return plan.Swarm{}, fmt.Errorf("%w: machine %s has %d bytes of chunks at port %d of an image of %d chunks, which makes no sense",
			ErrDenied, r.Machine.ID, len(have.Bits), have.Port, f.swarm.chunks)
	}
	r.carried.Peers, r.carried.Given = have.Taken, have.Sent
	if f.conf.Rack.Fleet.Peers == plan.PeersOff || f.swarm.chunks == 0 {
		return plan.Swarm{Take: all(f.swarm.chunks)}, nil
	}
	now := f.conf.Now()
	m := f.swarm.join(r.Key, now)
	m.name = nameOf(&r.Machine)
	m.say(from, have, now)
	f.complain(m, have.Damaged)
	f.swarm.grant(m, now)
	return plan.Swarm{Peers: f.swarm.peers(m, now), Take: m.take.Clone(), First: m.first}, nil
}

// all is the set of that many chunks.
func all(chunks int) plan.Bits {
	var b plan.Bits
	for i := range chunks {
		b.Set(i)
	}
	return b
}

func (s *swarm) join(key string, now time.Time) *member {
	m := s.members[key]
	if m == nil {
		m = &member{moved: now, next: -1, damaged: map[string]bool{}}
		s.members[key] = m
	}
	return m
}

// say takes over what a member says.
func (m *member) say(from netip.Addr, have plan.Have, now time.Time) {
	if have.Bits.Count() != m.bits.Count() {
		m.moved = now
	}
	m.bits, m.heard, m.url, m.silent = have.Bits, now, "", have.Silent
	if have.Port != 0 && from.IsValid() {
		at := netip.AddrPortFrom(from, uint16(have.Port))
		m.url = (&url.URL{Scheme: "http", Host: at.String(), Path: "/image/" + manifest.Root}).String()
	}
	for i := range 8 * len(m.bits) {
		if m.bits.Has(i) {
			m.take.Clear(i)
		}
	}
}

// complain notes which peers gave a member damaged chunks, once each.
func (f *Fleet) complain(m *member, urls []string) {
	for _, u := range urls {
		if m.damaged[u] {
			continue
		}
		m.damaged[u] = true
		name := "unknown"
		for _, o := range f.swarm.members {
			if o.url == u {
				name = o.name
			}
		}
		f.conf.Log.Warn("a machine gave another one a damaged chunk; look at its disk and memory", "machine", name, "url", strconv.Quote(u), "to", m.name)
	}
}

// live tells whether a member is there.
func (m *member) live(now time.Time) bool { return now.Sub(m.heard) <= swarmSilence }

// grant gives a member chunks to fetch from the deployer, until it has enough
// to go on with. Those that were given to a machine that gets nowhere count as
// free when nothing else is.
func (s *swarm) grant(m *member, now time.Time) {
	free := s.free(m, now)
	if m.take.Count() == 0 {
		m.moved = now
		if free.Count() == 0 {
			s.reclaim(m, now)
			free = s.free(m, now)
		}
	}
	left := free.Count()
	want := min(maxGrant, max(minGrant, left/(2*len(s.members))))
	for n := m.take.Count(); n < want && left > 0; n++ {
		i := m.next
		if !free.Has(i) {
			i = s.begin(free)
			m.first = i
		}
		m.take.Set(i)
		free.Clear(i)
		m.next, left = i+1, left-1
	}
}

// free are the chunks that nobody has for m and that nobody is to fetch. What
// somebody has m need not take any more. Members that are gone are forgotten.
func (s *swarm) free(m *member, now time.Time) plan.Bits {
	free := all(s.chunks)
	free.Clear(0)
	for key, o := range s.members {
		if !o.live(now) {
			delete(s.members, key)
			continue
		}
		gives := o == m || m.trusts(o)
		for i := range s.chunks {
			if o.take.Has(i) || gives && o.bits.Has(i) {
				free.Clear(i)
			}
			if o != m && gives && o.bits.Has(i) {
				m.take.Clear(i)
			}
		}
	}
	return free
}

// reclaim takes from those that get nowhere what they were to fetch.
func (s *swarm) reclaim(m *member, now time.Time) {
	for _, o := range s.members {
		if o != m && now.Sub(o.moved) > swarmStall {
			o.take = nil
		}
	}
}

// begin is where a machine begins to fetch: in the middle of the longest run of
// free chunks, so that those who come from below and above it have work too, or
// at its start where nobody does. free has at least one.
func (s *swarm) begin(free plan.Bits) int {
	from, length := 0, 0
	for i := 0; i < s.chunks; {
		n := 0
		for free.Has(i + n) {
			n++
		}
		if n > length {
			from, length = i, n
		}
		i += n + 1
	}
	if len(s.members) == 1 || length == s.chunks-1 {
		return from
	}
	return from + length/2
}

// peers are the members that have something that m lacks, a few by chance
// where they are many.
func (s *swarm) peers(m *member, now time.Time) []plan.SwarmPeer {
	list := []plan.SwarmPeer{}
	for _, o := range s.members {
		if o == m || !m.trusts(o) || !o.live(now) || !lacks(m.bits, o.bits) {
			continue
		}
		list = append(list, plan.SwarmPeer{URL: o.url, Bits: o.bits})
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:min(maxPeers, len(list))]
}

// lacks tells whether others have a chunk that is not in own.
func lacks(own, others plan.Bits) bool {
	for i, b := range others {
		if i >= len(own) && b != 0 || i < len(own) && b&^own[i] != 0 {
			return true
		}
	}
	return false
}

// Sent notes how many bytes of a file of the release went to an address.
func (f *Fleet) Sent(to netip.Addr, file string, bytes int64) {
	if file != manifest.Root {
		return
	}
	mac, ok := f.conf.Addresses.Owner(to)
	if !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.find(mac); r != nil {
		r.carried.Deployer += bytes
	}
}

// traffic is what the machine has fetched; nil: nothing.
func (r *record) traffic() *Traffic {
	if r.carried == (Traffic{}) {
		return nil
	}
	t := r.carried
	return &t
}
