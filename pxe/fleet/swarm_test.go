package fleet

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
)

const chunks = 68

// A fetcher is an installing machine with its chunks.
type fetcher struct {
	k      *rack
	n      int
	ticket string
	has    plan.Bits
	last   plan.Swarm
}

func (k *rack) fetcher(n int) *fetcher {
	k.t.Helper()
	ticket, a := k.asked(n)
	if a.Plan == nil {
		k.t.Fatalf("machine %d: %+v", n, a)
	}
	k.progress(ticket, idOf(n), "write")
	return &fetcher{k: k, n: n, ticket: ticket}
}

func (f *fetcher) address() netip.Addr { return netip.AddrFrom4([4]byte{10, 20, 0, byte(100 + f.n)}) }

func (f *fetcher) url() string { return fmt.Sprintf("http://%s:8080/image/root.img", f.address()) }

// say reports.
func (f *fetcher) say(damaged ...string) plan.Swarm {
	f.k.t.Helper()
	s, err := f.k.Have(f.ticket, idOf(f.n), f.address(), plan.Have{Port: 8080, Bits: f.has.Clone(), Damaged: damaged})
	if err != nil {
		f.k.t.Fatal(err)
	}
	f.last = s
	return s
}

// take fetches up to n chunks from the deployer, as it was told, and returns
// how many.
func (f *fetcher) take(n int) int {
	got := 0
	for i := range chunks {
		if got < n && f.last.Take.Has(i) && !f.has.Has(i) {
			f.has.Set(i)
			got++
		}
	}
	return got
}

// share fetches what peers have.
func (f *fetcher) share() {
	for _, p := range f.last.Peers {
		for i := range chunks {
			if p.Bits.Has(i) {
				f.has.Set(i)
			}
		}
	}
}

func swarmOf(t *testing.T, machines int) (*rack, []*fetcher) {
	k := newRack(t, func(c *Config) { c.Chunks = chunks })
	var all []*fetcher
	for n := range machines {
		all = append(all, k.fetcher(n+1))
	}
	return k, all
}

// TestEachChunkIsGivenOnce: machines of different speeds fetch the image from
// the deployer once together, however they come to speak.
func TestEachChunkIsGivenOnce(t *testing.T) {
	k, all := swarmOf(t, 6)
	taken := 0
	for round := range 400 {
		k.now = k.now.Add(100 * time.Millisecond)
		f := all[round%len(all)]
		f.say()
		taken += f.take(1 + f.n)
		if round%3 == 0 {
			f.share()
		}
	}
	for _, f := range all {
		f.say()
		f.share()
		if n := f.has.Count(); n != chunks-1 {
			t.Errorf("machine %d has %d of %d chunks", f.n, n, chunks-1)
		}
	}
	if taken != chunks-1 {
		t.Errorf("the deployer gave %d chunks; want each of %d once", taken, chunks-1)
	}
}

// TestOneAloneIsNeverWithoutWork, and begins at the start.
func TestOneAloneIsNeverWithoutWork(t *testing.T) {
	_, all := swarmOf(t, 1)
	f := all[0]
	f.say()
	if f.last.First != 1 || f.last.Take.Has(0) || !f.last.Take.Has(1) || len(f.last.Peers) != 0 {
		t.Errorf("got %+v", f.last)
	}
	for f.has.Count() < chunks-1 {
		if n := f.take(8); n == 0 {
			t.Fatalf("nothing to do with %d chunks", f.has.Count())
		}
		f.say()
	}
}

// TestChunksOfTheLostAreGivenAgain: of a machine that is gone at once, of one
// that gets nowhere when there is nothing else.
func TestChunksOfTheLostAreGivenAgain(t *testing.T) {
	k, all := swarmOf(t, 3)
	gone, stuck, f := all[0], all[1], all[2]
	start := k.now
	gone.say()
	stuck.say()
	f.say()
	for f.has.Count() < chunks-1 {
		k.now = k.now.Add(time.Second)
		stuck.say()
		if n := f.take(chunks); n == 0 && k.now.Sub(start) > 2*(swarmSilence+swarmStall) {
			t.Fatalf("%d of %d chunks, and nothing to do", f.has.Count(), chunks-1)
		}
		f.say()
	}
}

func TestPeersAreThoseWhoHaveSomething(t *testing.T) {
	k, all := swarmOf(t, 3)
	one, two, three := all[0], all[1], all[2]
	one.say()
	one.take(4)
	one.say()
	two.say()
	want := []plan.SwarmPeer{{URL: one.url(), Bits: one.has}}
	if d := cmp.Diff(want, two.last.Peers); d != "" {
		t.Errorf("peers of the second: %s", d)
	}
	// What was damaged is fetched from elsewhere.
	two.say(one.url())
	if len(two.last.Peers) != 0 {
		t.Errorf("it complained, and has %v", two.last.Peers)
	}
	three.say()
	if d := cmp.Diff(want, three.last.Peers); d != "" {
		t.Errorf("peers of the third: %s", d)
	}
	k.progress(one.ticket, idOf(1), PhaseFailed)
	if three.say(); len(three.last.Peers) != 0 {
		t.Errorf("the first failed, and serves: %v", three.last.Peers)
	}
}

// TestASwarmComesBack after a restart of the deployer: machines say again what
// they have, and no chunk of that is given out.
func TestASwarmComesBack(t *testing.T) {
	k, all := swarmOf(t, 2)
	one, two := all[0], all[1]
	one.say()
	two.say()
	one.take(10)
	two.take(10)
	k.open()
	one.say()
	two.say()
	for i := range chunks {
		if two.last.Take.Has(i) && (one.has.Has(i) || one.last.Take.Has(i)) {
			t.Errorf("chunk %d is given to the second again", i)
		}
	}
}

func TestHaveIsRefused(t *testing.T) {
	k, all := swarmOf(t, 1)
	f := all[0]
	for name, h := range map[string]plan.Have{
		"too many chunks": {Bits: make(plan.Bits, 10)},
		"a port":          {Port: 65536},
		"bytes":           {Sent: -1},
		"complaints":      {Damaged: make([]string, maxComplaints+1)},
	} {
		if _, err := k.Have(f.ticket, idOf(1), f.address(), h); !errors.Is(err, ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := k.Have("x", idOf(1), f.address(), plan.Have{}); !errors.Is(err, ErrTicket) {
		t.Errorf("without a ticket: %v", err)
	}
	d := k.boot(mac2, id2)
	if _, err := k.Have(d.Ticket, id2, f.address(), plan.Have{}); !errors.Is(err, ErrState) {
		t.Errorf("before it installs: %v", err)
	}
	k.conf.Rack.Fleet.Peers = plan.PeersOff
	if s := f.say(); s.Take.Count() != chunks || len(s.Peers) != 0 {
		t.Errorf("with peers off: %+v", s)
	}
}

// TestTrafficIsShown, and kept with what happens.
func TestTrafficIsShown(t *testing.T) {
	k, all := swarmOf(t, 1)
	f := all[0]
	k.conf.Addresses.(addresses)[macOf(1)] = f.address()
	k.Sent(f.address(), "root.img", 100)
	k.Sent(f.address(), "esp.img", 1000)
	if _, err := k.Have(f.ticket, idOf(1), f.address(), plan.Have{Sent: 7, Taken: 30}); err != nil {
		t.Fatal(err)
	}
	want := &Traffic{Deployer: 100, Peers: 30, Given: 7}
	if d := cmp.Diff(want, k.state(idOf(1), Installing).Traffic); d != "" {
		t.Error(d)
	}
	k.progress(f.ticket, idOf(1), "verify")
	k.open()
	if d := cmp.Diff(want, k.state(idOf(1), Installing).Traffic); d != "" {
		t.Errorf("after a restart: %s", d)
	}
}
