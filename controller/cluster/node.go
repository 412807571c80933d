package cluster

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/cairn-cloud/cairn/node/spec"
)

// DownAfter is how long after its last heartbeat a node is taken to be down:
// three heartbeats and some patience.
const DownAfter = 35 * time.Second

// A State is what a node is to the controller.
type State string

// The states of a node.
const (
	StateRegistered State = "registered" // never heard of
	StateReady      State = "ready"
	StateUnready    State = "unready" // heard of, and a check of its own failed
	StateDown       State = "down"    // not heard of lately
)

// nodeRow is one node as it is kept.
type nodeRow struct {
	ID           string          `db:"id,key"`
	Seq          int64           `db:"seq,auto"`
	Name         string          `db:"name"`
	Manifest     spec.Node       `db:"manifest,json"`
	Heartbeat    *spec.Heartbeat `db:"heartbeat,json"`
	RegisteredAt time.Time       `db:"registered_at"`
	HeardAt      *time.Time      `db:"heard_at"`
	UpdatedAt    time.Time       `db:"updated_at"`
}

// state is what the node is at a time, and why if it is not ready.
func (r *nodeRow) state(now time.Time) (State, string) {
	switch {
	case r.HeardAt == nil || r.Heartbeat == nil:
		return StateRegistered, "never heard of"
	case now.Sub(*r.HeardAt) > DownAfter:
		return StateDown, "not heard of since " + r.HeardAt.Format(time.RFC3339)
	}
	for _, c := range r.Heartbeat.Checks {
		if !c.OK {
			return StateUnready, c.Name + ": " + c.Why
		}
	}
	return StateReady, ""
}

// A Node is a node as its API shows it.
type Node struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	State        State             `json:"state"`
	Why          string            `json:"why,omitempty"`
	Roles        []spec.Role       `json:"roles"`
	Address      netip.Addr        `json:"address"` // management
	Version      string            `json:"version"`
	VCPUs        int               `json:"vcpus"`
	MemoryMiB    int               `json:"memory_mib"`
	DiskGiB      int               `json:"disk_gib"`
	Load         float64           `json:"load"`
	Hypervisors  []spec.Hypervisor `json:"hypervisors"`
	Checks       []spec.Check      `json:"checks"`
	RegisteredAt time.Time         `json:"registered_at"`
	HeardAt      *time.Time        `json:"heard_at"`
}

// view is the row as the API shows it at a time.
func (r *nodeRow) view(now time.Time) Node {
	n := Node{
		ID: r.ID, Name: r.Name, Roles: r.Manifest.Roles, Address: r.Manifest.Management.Address.Addr(),
		Version: r.Manifest.Version, RegisteredAt: r.RegisteredAt, HeardAt: r.HeardAt,
		Hypervisors: []spec.Hypervisor{}, Checks: []spec.Check{},
	}
	n.State, n.Why = r.state(now)
	if h := r.Heartbeat; h != nil {
		n.Version, n.VCPUs, n.MemoryMiB, n.DiskGiB, n.Load = h.Version, h.VCPUs, h.MemoryMiB, h.DiskGiB, h.Load
		n.Hypervisors = append(n.Hypervisors, h.Hypervisor...)
		n.Checks = append(n.Checks, h.Checks...)
	}
	return n
}

// sameManifest tells whether two manifests say the same.
func sameManifest(a, b spec.Node) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}
