package compute

import (
	"context"
	"net/netip"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/node/spec"
)

// An Image is what compute has to know of an image.
type Image struct {
	ID         string
	Status     string // active: it can be booted
	Format     string // disk format
	Size       int64  // bytes
	SHA512     string // hex
	MinDiskGiB int
	MinRAMMiB  int
	Properties map[string]string
}

// Images finds images that the caller may boot; NotFound for all others.
type Images interface {
	Image(ctx context.Context, caller *cloud.Caller, id string) (Image, error)
}

// An Attachment is one network that a server shall be on: any address of a
// network, one of its addresses, or a port that exists.
type Attachment struct {
	NetworkID string `json:"network_id,omitempty"`
	PortID    string `json:"port_id,omitempty"`
	FixedIP   string `json:"fixed_ip,omitempty"`
}

// A Binding asks for all ports of one server on one host.
type Binding struct {
	ProjectID string
	ServerID  string
	HostName  string // of the guest
	Host      string // name of the host
	Attach    []Attachment
	Groups    []string // names or ids of security groups; none: the default group
}

// An Address is one address of a server.
type Address struct {
	Network string // its name
	Address netip.Addr
	MAC     string
	PortID  string
}

// Networks tells what servers can be attached to.
type Networks interface {
	// Check tells what a server of the project cannot be attached to.
	Check(ctx context.Context, project string, attach []Attachment, groups []string) error
	// NetworksOf is the networks of a project that have addresses.
	NetworksOf(ctx context.Context, project string) ([]string, error)
}

// Ports makes and gives back the ports of servers. Each call may be repeated.
type Ports interface {
	Bind(ctx context.Context, b Binding) error
	Release(ctx context.Context, serverID string) error
	SetUp(ctx context.Context, serverID string, up bool) error
	GuestPorts(ctx context.Context, serverID string) ([]spec.Port, error)
	Addresses(ctx context.Context, serverIDs []string) (map[string][]Address, error)
}

// A Host is one machine that can run guests.
type Host struct {
	ID, Name    string
	Address     netip.Addr // management
	Ready       bool
	Version     string
	VCPUs       int
	MemoryMiB   int
	DiskGiB     int
	Load        float64
	Hypervisors []spec.Hypervisor
	HeardAt     time.Time
}

// Hosts lists the machines with the role of running guests.
type Hosts interface {
	Hosts(ctx context.Context) ([]Host, error)
}

// A Bus reaches hosts; bus.Controller is one.
type Bus interface {
	Publish(ctx context.Context, node string, d spec.Desired) error
	Call(ctx context.Context, node string, r spec.Request) (spec.Reply, error)
}
