package installer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"

	"github.com/google/uuid"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/source"
	"github.com/cairn-cloud/cairn/installer/vault"
)

// A local origin is rack.yaml: the machine becomes the first controller and
// founds the cluster.
type local struct {
	rack    *plan.Rack
	rackRaw []byte
	place   source.Place
	medium  string // disk of the medium, or empty
	disk    string // that a person named, or empty
	log     *slog.Logger
}

// Plan decides by rack.yaml.
func (l *local) Plan(_ context.Context, inv plan.Inventory, _ func() plan.Inventory) (plan.Plan, error) {
	return plan.Make(inv, l.rack, plan.Options{Local: true, Number: 1, Disk: l.disk})
}

// Progress has nobody to tell but the console.
func (l *local) Progress(_ context.Context, p plan.Progress) {
	l.log.Info("progress", "phase", p.Phase, "done", p.Done, "total", p.Total, "detail", p.Detail)
}

// Place is the release on the medium.
func (l *local) Place() source.Place { return l.place }

// Medium is the disk that the release is on.
func (l *local) Medium() string { return l.medium }

// Stamp is the digest of the release and of rack.yaml.
func (l *local) Stamp(r *source.Release) string {
	h := sha256.New()
	for _, part := range [][]byte{r.Raw, l.rackRaw} {
		fmt.Fprintf(h, "%d\n", len(part)) // a hash takes everything
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Keeper is nobody: the first machine has no deployer.
func (l *local) Keeper(plan.Plan) func(context.Context, vault.Keys) ([]byte, error) { return nil }

// Identity makes a new cluster with this node in it.
func (l *local) Identity(_ context.Context, p plan.Plan) (identity, error) {
	node := p.Node(l.rack, uuid.NewString(), l.rack.Management.Controller)
	node.Rack = string(l.rackRaw)
	return identity{node: node, found: func(dir string) (ca, cert, key []byte, err error) {
		return found(dir, l.rack.Name, node.ID)
	}}, nil
}

// found makes the cluster's CA in dir and the certificate of its first node.
func found(dir, cluster, id string) (ca, cert, key []byte, err error) {
	authority, err := pki.FoundCA(dir, cluster)
	if err != nil {
		return nil, nil, nil, err
	}
	key, csr, err := pki.NewRequest()
	if err != nil {
		return nil, nil, nil, err
	}
	if cert, err = authority.IssueNode(csr, id); err != nil {
		return nil, nil, nil, err
	}
	return authority.PEM(), cert, key, nil
}
