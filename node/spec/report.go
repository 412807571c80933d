package spec

import "time"

// State is what a guest is, as seen on its host.
type State string

// The states of a guest. StateGone is said once, when nothing of it is left.
const (
	StateBuilding State = "building" // Step says what is under way
	StateRunning  State = "running"
	StateStopped  State = "stopped"
	StateGone     State = "gone"
	StateError    State = "error" // Fault says why
)

// A Report is what a host says of one guest. Generation is the one of the
// [Desired] that it speaks of: a report of an older one is dropped.
type Report struct {
	Node       string    `json:"node"` // the node's id
	ID         string    `json:"id"`
	Generation int64     `json:"generation"`
	State      State     `json:"state"`
	Step       string    `json:"step,omitempty"`
	Fault      string    `json:"fault,omitempty"`
	At         time.Time `json:"at"`
}

// A Heartbeat is what a host says of itself, at start and every ten seconds.
type Heartbeat struct {
	Node       string       `json:"node"`
	Name       string       `json:"name"`
	Version    string       `json:"version"`
	VCPUs      int          `json:"vcpus"`
	MemoryMiB  int          `json:"memory_mib"`
	DiskGiB    int          `json:"disk_gib"`
	Load       float64      `json:"load"`
	Hypervisor []Hypervisor `json:"hypervisors"`
	Checks     []Check      `json:"checks"` // all good: the node is ready
	At         time.Time    `json:"at"`
}

// A Hypervisor is one way to run guests that the host has proved to work.
type Hypervisor struct {
	Driver  Driver `json:"driver"`
	Accel   string `json:"accel,omitempty"` // kvm or tcg, for DriverQEMU
	Reason  string `json:"reason,omitempty"`
	Version string `json:"version"`
}

// A Check is one health check of a node's role.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Why  string `json:"why,omitempty"` // when not OK
}

// A Request asks a host for something that is not state, now. Replies carry
// the same ID. Op is OpConsole alone today.
type Request struct {
	ID    string `json:"id"`
	Op    string `json:"op"`
	Guest string `json:"guest"`
	Lines int    `json:"lines,omitempty"` // of the end of the log; 0: all that is kept
}

// OpConsole asks for the end of a guest's console log.
const OpConsole = "console"

// A Reply answers a [Request].
type Reply struct {
	ID    string `json:"id"`
	Node  string `json:"node"`
	Data  []byte `json:"data,omitempty"`
	Error string `json:"error,omitempty"`
}
