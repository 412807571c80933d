package controller

import (
	"context"
	"fmt"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/controller/cluster"
	"github.com/cairn-cloud/cairn/controller/compute"
	"github.com/cairn-cloud/cairn/controller/identity"
	"github.com/cairn-cloud/cairn/controller/image"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/controller/network"
)

// services is every service with a schema of its own.
var services = []string{"identity", "image", "network", "compute", "cluster"}

// sources is the migrations of a service, in order.
func sources(service string) []store.Source {
	own := map[string]store.Source{
		"identity": {Name: "identity", FS: identity.Migrations},
		"image":    {Name: "image", FS: image.Migrations},
		"network":  {Name: "network", FS: network.Migrations},
		"compute":  {Name: "compute", FS: compute.Migrations},
		"cluster":  {Name: "cluster", FS: cluster.Migrations},
	}
	return []store.Source{
		{Name: "store", FS: store.Migrations}, {Name: "quota", FS: quota.Migrations}, own[service],
	}
}

// openDatabases waits for the database, brings every schema up to date and
// opens it, all services at the same time.
func openDatabases(ctx context.Context, o *Options) (map[string]*store.DB, error) {
	out := make(map[string]*store.DB, len(services))
	for _, service := range services {
		db, err := store.Open(o.Database(service, false))
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", service, err)
		}
		out[service] = db
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, service := range services {
		g.Go(func() error { return migrate(ctx, o.Database(service, true), o.Log, service) })
	}
	return out, g.Wait()
}

func migrate(ctx context.Context, c store.Config, log *slog.Logger, service string) error {
	if err := store.Migrate(ctx, c, log, sources(service)...); err != nil {
		return fmt.Errorf("service %s: %w", service, err)
	}
	return nil
}
