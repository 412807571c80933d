package swarm

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// Release is where the deployer's chunks come from. *source.Release is one.
type Release interface {
	// Fetch takes the chunk as it comes.
	Fetch(ctx context.Context, f *manifest.File, i int, buf []byte) error
	// Chunk checks it against the manifest.
	Chunk(ctx context.Context, f *manifest.File, i int, buf []byte) error
}

// Options of a swarm.
type Options struct {
	File    manifest.File // root.img
	Release Release
	// Report tells the deployer what this machine has, and returns what others
	// have.
	Report func(context.Context, plan.Have) (plan.Swarm, error)
	Port   int           // that this machine serves on; 0: it does not
	Every  time.Duration // pause between two reports; default a second, give or take
	// Patience is how long there may be nothing to do, before a chunk is fetched
	// from the deployer all the same; default 6 seconds.
	Patience time.Duration
	Say      func(format string, args ...any) // told what a person should know
	Log      *slog.Logger
}

// Times of a swarm.
const (
	every    = time.Second
	soonest  = 50 * time.Millisecond  // pause between two reports of a machine that has nothing to do
	latest   = 500 * time.Millisecond // the same when they bring nothing
	patience = 6 * time.Second        // default
)

// lanes is how many chunks are fetched from the deployer at once while peers
// have some too; three are under way in all.
const lanes = 2

// low is how many chunks to fetch from the deployer are few enough to ask for
// more.
const low = 6

// A Swarm is one machine's view of those that install with it.
type Swarm struct {
	o      Options
	client *http.Client
	cancel context.CancelFunc
	ended  chan struct{} // the reporter is gone
	hungry chan struct{} // a report is wanted soon

	mu       sync.Mutex    // guards what follows
	news     chan struct{} // closed when there may be something to do
	has      plan.Bits     // on the disk
	begun    plan.Bits     // given out by Next
	take     plan.Bits     // for us to fetch from the deployer
	first    int
	peers    map[string]*peer // by URL
	under    map[int]*peer    // chunks that are fetched now, and from whom; nil: from the deployer
	from     map[int]*peer    // chunks that a peer gave
	picked   time.Time        // when Next last gave a chunk out
	pace     time.Duration    // how long a chunk takes to come, of late
	answered time.Time        // when the deployer last did; zero: never
	sent     int64            // bytes to peers
	taken    int64            // bytes from peers
	fetched  int64            // bytes from the deployer
}

// Start begins to report. It waits for the first answer, so that machines that
// start together do not all fetch the same. Stop has to be called.
func Start(ctx context.Context, o Options) *Swarm {
	if o.Every == 0 {
		o.Every = every
	}
	if o.Patience == 0 {
		o.Patience = patience
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Swarm{o: o, client: newClient(), cancel: cancel, ended: make(chan struct{}), hungry: make(chan struct{}, 1),
		news: make(chan struct{}), peers: map[string]*peer{}, under: map[int]*peer{}, from: map[int]*peer{}, picked: time.Now()}
	s.report(ctx)
	go s.reports(ctx)
	return s
}

// Stop ends the reports.
func (s *Swarm) Stop() {
	s.cancel()
	<-s.ended
	s.client.CloseIdleConnections()
}

// Has notes that a chunk lies on the disk, from where it is served.
func (s *Swarm) Has(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.has.Set(i)
	delete(s.under, i) // it may have been there before, and nobody was asked
}

// Totals are the bytes fetched so far from the deployer and from peers, and
// those given to peers.
func (s *Swarm) Totals() (deployer, peers, given int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetched, s.taken, s.sent
}

// tell wakes those who wait in Next. The caller holds mu.
func (s *Swarm) tell() {
	close(s.news)
	s.news = make(chan struct{})
}

// hurry asks for a report soon.
func (s *Swarm) hurry() {
	select {
	case s.hungry <- struct{}{}:
	default:
	}
}
