package fleet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Addresses gives each machine the address that it keeps. *dhcp.Pool is one.
type Addresses interface {
	Pin(mac string) (netip.Addr, error)
	Address(mac string) (netip.Addr, bool)
	Owner(netip.Addr) (mac string, ok bool)
}

// An Issuer signs the identities of nodes. *pki.CA behind an adapter is one.
type Issuer interface {
	// IssueNode makes a certificate, in PEM, for the public key of the CSR.
	IssueNode(csrPEM []byte, id string) ([]byte, error)
	// IssueUnlock makes one that is good for [Fleet.Unlock] alone.
	IssueUnlock(csrPEM []byte, id string) ([]byte, error)
	PEM() []byte // the CA's certificate
}

// Planner makes plans; plan.Make is the one.
type Planner func(plan.Inventory, *plan.Rack, plan.Options) (plan.Plan, error)

// Config of a fleet.
type Config struct {
	Dir       string // 0700; holds the ticket key
	DB        *bbolt.DB
	Rack      *plan.Rack
	RackText  string   // rack.yaml as written, for a machine that founds the cluster
	Version   string   // of the release that is installed
	Chunks    int      // of its root.img; 0: machines get no chunks from each other
	Reserved  []string // host names that are taken
	Addresses Addresses
	Issuer    Issuer
	Planner   Planner          // default plan.Make
	Now       func() time.Time // default time.Now
	TicketFor time.Duration    // default 24 h
	// Power does what an operator wants of a machine's BMC and returns its
	// state; the machine is nil where it never booted. nil: nothing can be
	// switched.
	Power func(ctx context.Context, id string, m *Machine, p PowerRequest) (string, error)
	Log   *slog.Logger
}

// limits of what strangers on the wire can make us keep.
const (
	maxUninstalled = 2048 // machines that are not installed yet
	maxAttempts    = 3    // installations that reach the disk without an operator
)

// strangerMemory is how long a machine is kept at least that was only seen.
const strangerMemory = time.Hour

// rogueMemory is how long another DHCP server counts after it was heard of.
const rogueMemory = 10 * time.Minute

// A record is a machine and what only we may know of it.
type record struct {
	Machine Machine           `json:"machine"`
	Key     string            `json:"key"`             // first MAC: the key in the database
	Nonce   string            `json:"nonce,omitempty"` // of the ticket that counts
	Used    bool              `json:"used,omitempty"`  // the ticket was used up, by the CSR below
	CSR     string            `json:"csr,omitempty"`   // SHA-256 of the CSR that used it up
	Cert    string            `json:"cert,omitempty"`  // the answer to it
	*live                     // shared by all versions of the record
	digest  [sha256.Size]byte // of the record as it is kept
}

// A live is what is known of a machine and not worth a write.
type live struct {
	lastEvent string // for hints
	lastAt    time.Time
	heard     time.Time // last request with its ticket; zero: none since the deployer started
	asked     time.Time // when it last asked for a place and there was none
	moved     *Progress // newest report of the phase that it is in
	carried   Traffic   // bytes of the image
	refresh   bool      // an operator wants its inventory again
}

// A Fleet is the machines of one rack. Its methods may be called at once.
type Fleet struct {
	conf    Config
	tickets keeper
	vaults  vaults
	wake    chan struct{} // the registrar has work
	started time.Time

	mu      sync.Mutex         // guards what follows; see durably
	records map[string]*record // by Key, as they are decided
	keeping keeping
	rogue   string    // another DHCP server on the wire, in words
	rogueAt time.Time // when it was last heard of
	rounds  rounds
	swarm   swarm
}

func bucketMachines() []byte { return []byte("machines") }

// Open reads the fleet that is in the database.
func Open(conf Config) (*Fleet, error) {
	if conf.Planner == nil {
		conf.Planner = plan.Make
	}
	if conf.Now == nil {
		conf.Now = time.Now
	}
	if conf.TicketFor == 0 {
		conf.TicketFor = 24 * time.Hour
	}
	if err := os.MkdirAll(conf.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	tickets, err := openKeeper(conf.Dir)
	if err != nil {
		return nil, err
	}
	vaults, err := openVaults(conf.Dir, conf.DB)
	if err != nil {
		return nil, err
	}
	f := &Fleet{conf: conf, tickets: tickets, vaults: vaults, wake: make(chan struct{}, 1), records: map[string]*record{}, started: conf.Now(),
		keeping: keeping{kept: map[string]*record{}}, swarm: swarm{chunks: conf.Chunks, members: map[string]*member{}},
		rounds: rounds{waiting: map[string]time.Time{}, verdict: map[string]verdict{}}}
	err = conf.DB.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketMachines())
		if err != nil {
			return err
		}
		return b.ForEach(func(k, v []byte) error {
			r := record{live: &live{}}
			if err := json.Unmarshal(v, &r); err != nil {
				return fmt.Errorf("machine %s: %w", k, err)
			}
			if t := r.Machine.Traffic; t != nil {
				r.carried = *t
			}
			r.digest = sha256.Sum256(v)
			f.records[r.Key], f.keeping.kept[r.Key] = &r, &r
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read machines: %w", err)
	}
	return f, nil
}

// Machines lists all machines, by name, then id.
func (f *Fleet) Machines() []Machine {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Machine, 0, len(f.keeping.kept))
	for _, r := range f.keeping.kept {
		out = append(out, f.shown(r))
	}
	slices.SortFunc(out, func(a, b Machine) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return out
}

// Machine finds a machine by id, MAC or host name.
func (f *Fleet) Machine(id string) (Machine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.findKept(id)
	if r == nil {
		return Machine{}, fmt.Errorf("%w: %q", ErrUnknown, id)
	}
	return f.shown(r), nil
}

// shown is the machine as others see it. Its record is a kept one.
func (f *Fleet) shown(r *record) Machine {
	m := r.Machine.clone()
	m.Hint, m.Traffic = f.hint(r), r.traffic()
	if p := r.progress(); p != nil {
		c := *p
		m.Progress = &c
	}
	if m.Node != nil {
		n := *m.Node
		m.Node = &n
	}
	return m
}

// find finds a record by the id, a MAC or the name of its machine.
func (f *Fleet) find(id string) *record { return find(f.records, id) }

// findKept is find among what is on disk.
func (f *Fleet) findKept(id string) *record { return find(f.keeping.kept, id) }

func find(records map[string]*record, id string) *record {
	id = strings.ToLower(id)
	if r := records[id]; r != nil || id == "" {
		return r
	}
	for _, r := range records {
		if r.Machine.ID == id || r.Machine.Name == id || slices.Contains(r.Machine.MACs, id) {
			return r
		}
	}
	return nil
}

// say writes one line for one event.
func (f *Fleet) say(what string, m *Machine, args ...any) {
	f.conf.Log.Info(what, append([]any{"machine", m.ID, "name", m.Name, "state", m.State}, args...)...)
}
