package identity

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// Migrations make the tables of this package.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Options are what identity needs.
type Options struct {
	DB                *store.DB
	StateDir          string         // its own directory, made if absent; keys are below it
	AdminPasswordFile string         // written once, when the user admin is made
	Passwords         *PasswordRules // nil: DefaultPasswordRules
	Region            string         // empty: RegionOne
	Catalog           []Endpoint
	Log               *slog.Logger
	Clock             cloud.Clock // nil: the machine's
}

// An Endpoint is an entry of the catalog: what is served at Path of the host
// by which the client reached us.
type Endpoint struct {
	Type string // "compute"
	Name string // "nova": what some clients show
	Path string // "/compute/v2.1"
}

// A Service is the identity service. Run must run while it serves.
type Service struct {
	db      *store.DB
	tables  tables
	keys    *keyring
	secrets *secrets
	region  string
	served  []Endpoint // what this controller serves itself
	clock   cloud.Clock
	log     *slog.Logger

	adminPasswordFile string

	now     atomic.Pointer[snapshot] // replaced as a whole
	reading sync.Mutex               // held while now is replaced; guards link
	link    *sql.Conn                // kept for following changes while Run runs; nil: none

	rules   PasswordRules
	pattern passwordPattern // of rules
	hashing chan struct{}   // bounds how many passwords are hashed at a time
	known   passwordCache
	proving turns // of users whom somebody else knows

	directories directories
	issuers     issuers
	active      activity
}

// New opens the keys, makes what every cloud has (see [Service.bootstrap]) and
// reads the tables, which must be migrated.
func New(ctx context.Context, o Options) (*Service, error) {
	if o.Clock == nil {
		o.Clock = cloud.SystemClock
	}
	if o.Region == "" {
		o.Region = "RegionOne"
	}
	rules := DefaultPasswordRules()
	if o.Passwords != nil {
		rules = *o.Passwords
	}
	if err := rules.Check(); err != nil {
		return nil, fmt.Errorf("rules of passwords: %w", err)
	}
	pattern, err := parsePattern(rules.Regex)
	if err != nil {
		return nil, fmt.Errorf("rules of passwords: %w", err)
	}
	keys, err := openKeyring(filepath.Join(o.StateDir, "fernet-keys"))
	if err != nil {
		return nil, fmt.Errorf("token keys: %w", err)
	}
	kept, err := openSecrets(filepath.Join(o.StateDir, "credential-key"))
	if err != nil {
		return nil, fmt.Errorf("key of credentials: %w", err)
	}
	s := &Service{
		db: o.DB, tables: newTables(o.DB), keys: keys, secrets: kept, region: o.Region, served: o.Catalog,
		clock: o.Clock, log: o.Log, adminPasswordFile: o.AdminPasswordFile,
		rules: rules, pattern: pattern, hashing: make(chan struct{}, runtime.NumCPU()),
	}
	if err := s.bootstrap(ctx); err != nil {
		return nil, fmt.Errorf("first users and roles: %w", err)
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// pollInterval is how often the tables' revision is looked at: a change of
// another controller counts here soon after, and well within a second.
const pollInterval = 250 * time.Millisecond

// keysInterval is how often the age of the token keys is looked at,
// tidyInterval how often old rows are deleted.
const (
	keysInterval = time.Second
	tidyInterval = time.Minute
)

// sweepInterval is how often rows are looked through for what has become too
// old.
const sweepInterval = time.Hour

// Run follows changes of other controllers and rotates keys until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	defer s.unlink()
	poll, keys, tidy := time.NewTicker(pollInterval), time.NewTicker(keysInterval), time.NewTicker(tidyInterval)
	defer poll.Stop()
	defer keys.Stop()
	defer tidy.Stop()
	var looking sync.WaitGroup
	looking.Go(func() { s.lookAround(ctx) })
	defer looking.Wait()
	var swept time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
			s.watch(ctx)
		case <-keys.C:
			if err := s.keys.rotateIfDue(s.clock()); err != nil {
				s.log.Error("identity: cannot rotate token keys", "error", err)
			}
		case <-tidy.C:
			if err := s.trim(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("identity: cannot delete old rows", "error", err)
			}
			if now := s.clock(); now.Sub(swept) >= sweepInterval {
				swept = now
				if err := s.disableInactive(ctx); err != nil && !errors.Is(err, context.Canceled) {
					s.log.Warn("identity: cannot look for inactive users", "error", err)
				}
			}
			if err := s.sweepOAuth(ctx); err != nil && !errors.Is(err, context.Canceled) {
				s.log.Warn("identity: cannot forget what has expired of OAuth", "error", err)
			}
		}
	}
}

// API is the table of contents.
func (s *Service) API() api.Service {
	return api.Service{
		Name: "identity", Path: "/identity", Version: "v3", Dialect: api.IdentityDialect(), DB: s.db,
		Versions: []api.VersionDocument{{
			ID: "v3.14", Status: "stable", Updated: "2020-04-07T00:00:00Z", Path: "v3/",
			MediaType: "application/vnd.openstack.identity-v3+json",
		}},
		Resources: []api.Description{
			s.domains(), s.projects(), s.users(), s.groups(), s.roles(),
			s.regions(), s.services(), s.endpoints(), s.endpointGroups(),
			s.appCredentials(), s.accessRules(), s.trusts(), s.credentials(), s.policies(), s.consumers(),
			s.registeredLimits(), s.limits(), s.accesses(),
			s.providers(), s.federationMappings(), s.protocols(),
		},
		Routes: slices.Concat(s.tokenRoutes(), s.assignmentRoutes(), s.filterRoutes(), s.ec2Routes(), s.signatureRoutes(), s.configRoutes(), s.limitRoutes(), s.oauthRoutes(), s.federationRoutes(), []api.Route{
			{Method: http.MethodPut, Path: "/regions/{region_id}", Rule: "identity:create_region", Handle: s.putRegion},
			{Method: http.MethodPost, Path: "/users/{user_id}/password", Public: true, Handle: s.changePassword},
		}),
		Rules: slices.Concat([]policy.Rule{
			{Name: ruleAssignments, Check: policy.Admin, Doc: "giving roles and taking them away"},
			{Name: ruleListAssignments, Check: policy.AdminOrSystemReader, Doc: "who has which role where"},
			{Name: ruleFilter, Check: policy.Admin, Doc: "which project sees which part of the catalog"},
			{Name: ruleConfig, Check: policy.Admin, Doc: "the configuration of domains"},
			{Name: ruleAuthorize, Check: policy.Anyone, Doc: "letting an OAuth consumer act for the caller"},
		}, tokenRules(), signatureRules(), limitRules(), federationRules()),
	}
}

// The rules of routes that are no resources.
const (
	ruleAssignments     = "identity:change_role_assignments"
	ruleListAssignments = "identity:list_role_assignments"
	ruleFilter          = "identity:endpoint_filter"
	ruleConfig          = "identity:domain_config"
)

func get(path, rule string, f func(context.Context, *api.Call) error) api.Route {
	return api.Route{Method: http.MethodGet, Path: path, Rule: rule, Handle: f}
}
