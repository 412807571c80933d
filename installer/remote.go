package installer

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/deployer"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/source"
)

// A remote origin is the deployer of the rack.
type remote struct {
	client *deployer.Client
	place  source.Place

	mu      sync.Mutex    // guards what follows
	pending plan.Progress // newest report that is not sent yet
	busy    bool          // a goroutine is sending
}

// Plan asks the deployer, and waits for it.
func (r *remote) Plan(ctx context.Context, inv plan.Inventory) (plan.Plan, error) {
	return r.client.Plan(ctx, inv)
}

// Progress sends the newest report without holding the installation up. A
// failure is sent before it returns, since the machine may restart.
func (r *remote) Progress(ctx context.Context, p plan.Progress) {
	if p.Phase == phaseFailed || p.Phase == phaseHandover {
		r.client.Progress(ctx, p)
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

// Identity makes a key on this machine and has it certified.
func (r *remote) Identity(ctx context.Context, _ plan.Plan) (identity, error) {
	key, csr, err := pki.NewRequest()
	if err != nil {
		return identity{}, err
	}
	e, err := r.client.Enrol(ctx, csr)
	if err != nil {
		return identity{}, fmt.Errorf("enrol: %w", err)
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
