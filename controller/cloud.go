package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/controller/cluster"
	"github.com/cairn-cloud/cairn/controller/compute"
	"github.com/cairn-cloud/cairn/controller/identity"
	"github.com/cairn-cloud/cairn/controller/image"
	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/controller/network"
	"github.com/cairn-cloud/cairn/node/bus"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Options is what a controller is made of, apart from its ports.
type Options struct {
	// Database is how to reach the schema of a service, as the account that
	// uses it or as the one that may change it (ddl).
	Database          func(service string, ddl bool) store.Config
	Bus               bus.Controller
	Accounts          cluster.Accounts // of nodes, at the broker
	StateDir          string
	AdminPasswordFile string
	PolicyDir         string                  // of the operator's rules; empty: there are none
	Passwords         *identity.PasswordRules // nil: identity's defaults
	Region            string
	VLANFrom, VLANTo  int
	MTU               int
	Image             image.Config
	Log               *slog.Logger
	Clock             cloud.Clock // nil: the machine's
	Limits            api.Limits  // zero: none
	Tell              []func(*api.Done)
}

// A Cloud is every service, joined.
type Cloud struct {
	API    *api.Server  // the APIs alone
	Public http.Handler // the APIs, and a page at the root
	Nodes  http.Handler // for nodes and the deployer

	Identity *identity.Service
	Image    *image.Service
	Network  *network.Service
	Compute  *compute.Service
	Cluster  *cluster.Service

	bus       bus.Controller
	log       *slog.Logger
	databases map[string]*store.DB
}

// endpoints is the catalog.
var endpoints = []identity.Endpoint{
	{Type: "identity", Name: "keystone", Path: "/identity/v3"},
	{Type: "image", Name: "glance", Path: "/image"},
	{Type: "network", Name: "neutron", Path: "/network"},
	{Type: "compute", Name: "nova", Path: "/compute/v2.1"},
}

// NewCloud waits for the database, brings the schemas up to date and builds
// every service.
func NewCloud(ctx context.Context, o Options) (*Cloud, error) {
	if o.Clock == nil {
		o.Clock = cloud.SystemClock
	}
	dbs, err := openDatabases(ctx, &o)
	c := &Cloud{bus: o.Bus, log: o.Log, databases: dbs}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if err := c.build(ctx, o); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// build makes the services and joins them: what one needs of another is an
// adapter in join.go.
func (c *Cloud) build(ctx context.Context, o Options) error {
	logOf := func(service string) *slog.Logger { return o.Log.With("service", service) }
	var err error
	if c.Identity, err = identity.New(ctx, identity.Options{
		DB: c.databases["identity"], StateDir: filepath.Join(o.StateDir, "identity"), AdminPasswordFile: o.AdminPasswordFile, Passwords: o.Passwords,
		Region: o.Region, Catalog: endpoints, Log: logOf("identity"), Clock: o.Clock,
	}); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if c.Image, err = image.New(ctx, image.Options{
		Config: o.Image,
		DB:     c.databases["image"], StateDir: filepath.Join(o.StateDir, "image"), Log: logOf("image"), Clock: o.Clock,
	}); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	c.Network = network.New(network.Options{
		DB: c.databases["network"], Guests: guests{c}, Log: logOf("network"), Clock: o.Clock,
		VLANFrom: o.VLANFrom, VLANTo: o.VLANTo, MTU: o.MTU,
	})
	c.Compute = compute.New(compute.Options{
		DB: c.databases["compute"], Images: images{c}, Networks: ports{c}, Ports: ports{c}, Hosts: hosts{c},
		Bus: o.Bus, Log: logOf("compute"), Clock: o.Clock,
	})
	c.Cluster = cluster.New(cluster.Options{
		DB: c.databases["cluster"], Broker: o.Bus, Accounts: o.Accounts, Guests: guests{c},
		Log: logOf("cluster"), Clock: o.Clock,
	})
	if err := c.Compute.Bootstrap(ctx); err != nil {
		return fmt.Errorf("compute: first flavors: %w", err)
	}
	return c.handlers(o)
}

// handlers makes what answers on both ports.
func (c *Cloud) handlers(o Options) error {
	overrides, err := policyFiles(o.PolicyDir).read()
	if err != nil {
		return err
	}
	server, err := api.New(api.Options{
		Services: []api.Service{c.Identity.API(), c.Image.API(), c.Network.API(), c.Compute.API(), c.Cluster.API()},
		Auth:     c.Identity, Log: o.Log, Clock: o.Clock, Overrides: overrides, Limits: o.Limits, Tell: o.Tell,
	})
	if err != nil {
		return err
	}
	c.API = server
	public := http.NewServeMux()
	public.Handle("/", server)
	public.Handle("GET /{$}", http.HandlerFunc(welcome))
	c.Public = public
	nodes := http.NewServeMux()
	nodes.Handle("/v1/nodes", c.Cluster.NodeHandler())
	nodes.Handle("/v1/nodes/", c.Cluster.NodeHandler())
	nodes.Handle("/v1/images/", c.Image.NodeHandler())
	c.Nodes = nodes
	return nil
}

// Run does the services' own work until ctx ends.
func (c *Cloud) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.Identity.Run(ctx) })
	g.Go(func() error { return c.Image.Run(ctx) })
	g.Go(func() error { return c.Network.Run(ctx) })
	g.Go(func() error { return c.Compute.Run(ctx) })
	g.Go(func() error { return c.Cluster.Run(ctx) })
	g.Go(func() error {
		if err := c.bus.Run(ctx, c); err != nil && ctx.Err() == nil {
			return err
		}
		return nil
	})
	return g.Wait()
}

// Report takes what a node says of a guest.
func (c *Cloud) Report(ctx context.Context, r spec.Report) error { return c.Compute.Report(ctx, r) }

// Heartbeat takes what a node says of itself.
func (c *Cloud) Heartbeat(ctx context.Context, h spec.Heartbeat) error {
	return c.Cluster.Heartbeat(ctx, h)
}

// Close ends the connections to the database.
func (c *Cloud) Close() error {
	var errs []error
	for _, db := range c.databases {
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}
