package network

import (
	"embed"
	"log/slog"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// Migrations make the tables of the service.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// DefaultMTU is the MTU of a network that was not told another.
const DefaultMTU = 1500

// Options is what the service is made of.
type Options struct {
	DB     *store.DB
	Guests Guests
	Log    *slog.Logger
	Clock  cloud.Clock
	// VLANFrom and VLANTo are the range of VLANs that project networks are
	// taken from, both included.
	VLANFrom, VLANTo int
	// MTU is the largest and default MTU of a network; 0 means DefaultMTU.
	MTU int
}

// Service is the network service.
type Service struct {
	tables
	db               *store.DB
	guests           Guests
	quotas           *quota.Quotas
	log              *slog.Logger
	clock            cloud.Clock
	vlanFrom, vlanTo int
	mtu              int
}

// New joins the service to its database and neighbours.
func New(o Options) *Service {
	if o.MTU == 0 {
		o.MTU = DefaultMTU
	}
	if o.Clock == nil {
		o.Clock = cloud.SystemClock
	}
	return &Service{
		tables: newTables(o.DB), db: o.DB, guests: o.Guests, log: o.Log, clock: o.Clock,
		vlanFrom: o.VLANFrom, vlanTo: o.VLANTo, mtu: o.MTU,
		quotas: quota.New(map[string]int64{
			"network": 100, "subnet": 100, "port": 500,
			"security_group": 10, "security_group_rule": 100,
		}),
	}
}
