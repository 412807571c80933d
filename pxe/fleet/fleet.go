package fleet

import (
	"cmp"
	"context"
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
	Machine   Machine `json:"machine"`
	Key       string  `json:"key"`             // first MAC: the key in the database
	Nonce     string  `json:"nonce,omitempty"` // of the ticket that counts
	Used      bool    `json:"used,omitempty"`  // the ticket was used up, by the CSR below
	CSR       string  `json:"csr,omitempty"`   // SHA-256 of the CSR that used it up
	Cert      string  `json:"cert,omitempty"`  // the answer to it
	lastEvent string  // for hints
	lastAt    time.Time
}

// A Fleet is the machines of one rack. Its methods may be called at once.
type Fleet struct {
	conf    Config
	tickets keeper
	wake    chan struct{} // the registrar has work

	mu      sync.Mutex
	records map[string]*record // by Key; guarded by mu
	rogue   string             // another DHCP server on the wire, in words; guarded by mu
	rogueAt time.Time          // when it was last heard of; guarded by mu
	rounds  rounds             // guarded by mu
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
	f := &Fleet{conf: conf, tickets: tickets, wake: make(chan struct{}, 1), records: map[string]*record{},
		rounds: rounds{waiting: map[string]time.Time{}, verdict: map[string]verdict{}}}
	err = conf.DB.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketMachines())
		if err != nil {
			return err
		}
		return b.ForEach(func(k, v []byte) error {
			var r record
			if err := json.Unmarshal(v, &r); err != nil {
				return fmt.Errorf("machine %s: %w", k, err)
			}
			f.records[r.Key] = &r
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
	out := make([]Machine, 0, len(f.records))
	for _, r := range f.records {
		out = append(out, f.shown(r))
	}
	slices.SortFunc(out, func(a, b Machine) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return out
}

// Machine finds a machine by id, MAC or host name.
func (f *Fleet) Machine(id string) (Machine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.find(id)
	if r == nil {
		return Machine{}, fmt.Errorf("%w: %q", ErrUnknown, id)
	}
	return f.shown(r), nil
}

// shown is the machine as others see it.
func (f *Fleet) shown(r *record) Machine {
	m := r.Machine.clone()
	m.Hint = r.hint(f.conf.Now())
	if m.Node != nil {
		n := *m.Node
		m.Node = &n
	}
	return m
}

func (f *Fleet) find(id string) *record {
	if id == "" {
		return nil
	}
	id = strings.ToLower(id)
	for _, r := range f.records {
		if r.Machine.ID == id || r.Machine.Name == id || slices.Contains(r.Machine.MACs, id) {
			return r
		}
	}
	return nil
}

// change is what every change of a record goes through: do works on a copy,
// the copy is written, then it counts. An error of do changes nothing.
func (f *Fleet) change(r *record, do func(*record) error) error {
	c := *r
	c.Machine = r.Machine.clone()
	if err := do(&c); err != nil {
		return err
	}
	return f.store(&c)
}

func (f *Fleet) store(r *record) error {
	v, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("machine %s: %w", r.Machine.ID, err)
	}
	err = f.conf.DB.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMachines()).Put([]byte(r.Key), v) })
	if err != nil {
		return fmt.Errorf("keep machine %s: %w", r.Machine.ID, err)
	}
	f.records[r.Key] = r
	return nil
}

func (f *Fleet) remove(r *record) error {
	err := f.conf.DB.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMachines()).Delete([]byte(r.Key)) })
	if err != nil {
		return fmt.Errorf("forget machine %s: %w", r.Machine.ID, err)
	}
	delete(f.records, r.Key)
	return nil
}

// say writes one line for one event.
func (f *Fleet) say(what string, m *Machine, args ...any) {
	f.conf.Log.Info(what, append([]any{"machine", m.ID, "name", m.Name, "state", m.State}, args...)...)
}
