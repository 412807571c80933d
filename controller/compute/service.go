package compute

import (
	"embed"
	"log/slog"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// Migrations make the tables of the service.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// The microversions of the service: up to where its bodies are Nova's.
const (
	minVersion = "2.1"
	maxVersion = "2.37"
)

// zoneName is the one availability zone that every host is in.
const zoneName = "nova"

// Options is what the service is made of.
type Options struct {
	DB       *store.DB
	Images   Images
	Networks Networks
	Ports    Ports
	Hosts    Hosts
	Bus      Bus
	Log      *slog.Logger
	Clock    cloud.Clock
}

// Service is the compute service.
type Service struct {
	tables
	db       *store.DB
	images   Images
	networks Networks
	ports    Ports
	hosts    Hosts
	bus      Bus
	quotas   *quota.Quotas
	log      *slog.Logger
	clock    cloud.Clock
	kick     chan struct{} // holds one token while a server may wait for the controller's work
}

// New joins the service to its database and neighbours.
func New(o Options) *Service {
	if o.Clock == nil {
		o.Clock = cloud.SystemClock
	}
	return &Service{
		tables: newTables(o.DB), db: o.DB, images: o.Images, networks: o.Networks, ports: o.Ports,
		hosts: o.Hosts, bus: o.Bus, log: o.Log, clock: o.Clock, kick: make(chan struct{}, 1),
		quotas: quota.New(map[string]int64{
			"instances": 10, "cores": 20, "ram": 51200, "key_pairs": 100,
			"metadata_items": 128, "server_groups": 10, "server_group_members": 10,
			"injected_files": 0, "injected_file_content_bytes": 0, "injected_file_path_bytes": 0,
			"fixed_ips": quota.Unlimited, "floating_ips": quota.Unlimited,
			"security_groups": quota.Unlimited, "security_group_rules": quota.Unlimited,
		}),
	}
}

// API is the service's table of contents.
func (s *Service) API() api.Service {
	return api.Service{
		Name: "compute", Path: "/compute", Version: "v2.1", Dialect: api.ComputeDialect(),
		Min: minVersion, Max: maxVersion, ProjectInPath: true,
		Versions: []api.VersionDocument{{
			ID: "v2.1", Status: "CURRENT", Min: minVersion, Max: maxVersion, Updated: "2013-07-23T11:33:21Z",
			MediaType: "application/vnd.openstack.compute+json;version=2.1",
		}},
		DB: s.db, Quotas: s.quotas,
		Resources: []api.Description{
			s.serversResource(), s.flavorsResource(), s.keypairsResource(),
		},
		Routes: s.routes(),
		Rules: []policy.Rule{
			{Name: ruleForcedHost, Check: policy.Admin, Doc: "Choose the host of a new server."},
			{Name: ruleHypervisors, Check: policy.Admin, Doc: "See the hosts and what they have."},
			{Name: ruleServices, Check: policy.Admin, Doc: "See and disable the hosts' services."},
			{Name: ruleQuotaUpdate, Check: policy.Admin, Doc: "Change the quotas of a project."},
		},
	}
}

// The rules that are not made of a resource's operations.
const (
	ruleForcedHost  = "os_compute_api:servers:create:forced_host"
	ruleHypervisors = "os_compute_api:os-hypervisors"
	ruleServices    = "os_compute_api:os-services"
	ruleQuotaUpdate = "os_compute_api:os-quota-sets:update"
)
