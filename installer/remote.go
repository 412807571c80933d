package installer

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/deployer"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/source"
)

// A remote origin is the deployer of the rack.
type remote struct {
	client *deployer.Client
	place  source.Place
	host   string // of the deployer, as it is called
	log    *slog.Logger

	mu      sync.Mutex    // guards what follows
	pending plan.Progress // newest report that is not sent yet
	busy    bool          // a goroutine is sending
}

// Plan asks the deployer, and waits for it.
func (r *remote) Plan(ctx context.Context, inv plan.Inventory, again func() plan.Inventory) (plan.Plan, error) {
	return r.client.Plan(ctx, inv, again)
}

// Progress sends the newest report without holding the installation up. A
// failure is sent before it returns, since the machine may restart, and that
// the disk is complete until the deployer has it.
func (r *remote) Progress(ctx context.Context, p plan.Progress) {
	switch p.Phase {
	case phaseFailed:
		r.client.Progress(ctx, p)
		return
	case phaseHandover:
		r.finished(ctx, p)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = p
	if r.busy {
		return
	}
	r.busy = true
	go r.send(ctx)
}

// finishPatience is how long a deployer may be away at the end of an
// installation. Without its answer the system starts all the same.
const finishPatience = 5 * time.Minute

func (r *remote) finished(ctx context.Context, p plan.Progress) {
	ctx, cancel := context.WithTimeout(ctx, finishPatience)
	defer cancel()
	if err := r.client.Finished(ctx, p); err != nil {
		r.log.Warn("the deployer does not know that this machine is installed", "error", err)
	}
}

// send ends when there is nothing newer to send.
func (r *remote) send(ctx context.Context) {
	for sent := (plan.Progress{}); ; {
		r.mu.Lock()
		next := r.pending
		if next == sent {
			r.busy = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		r.client.Progress(ctx, next)
		sent = next
	}
}

// Place is the deployer's release.
func (r *remote) Place() source.Place { return r.place }

// Medium is empty: there is none.
func (r *remote) Medium() string { return "" }

// Stamp is empty: the deployer's one-shot ticket keeps loops from wiping.
func (r *remote) Stamp(*source.Release) string { return "" }

// Identity makes a key on this machine and has it certified, or the CA of a new
// cluster where this machine founds it.
func (r *remote) Identity(ctx context.Context, _ plan.Plan) (identity, error) {
	key, csr, err := pki.NewRequest()
	if err != nil {
		return identity{}, err
	}
	e, err := r.client.Enrol(ctx, csr)
	if err != nil {
		return identity{}, fmt.Errorf("enrol: %w", err)
	}
	if e.Founds {
		return identity{node: e.Node, found: func(dir string) (ca, cert, key []byte, err error) {
			return found(dir, e.Node.Cluster, e.Node.ID)
		}}, nil
	}
	return identity{node: e.Node, ca: []byte(e.CA), cert: []byte(e.Certificate), key: key}, nil
}

// imageURL is where a deployer has the files of the release.
func imageURL(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(plan.HTTPPort)) + "/image/"
}
