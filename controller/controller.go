// Package controller is the controller process: it builds every service, joins
// them by the small interfaces that each asks for, and serves them behind TLS.
// It is the only place where two services meet.
//
// The process listens before anything else is up and says what it waits for;
// it ends with its context, and whatever it was doing goes on from the rows
// when it starts again.
package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/audit"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/metrics"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/bus"
)

// Command is `cairn controller`.
type Command struct {
	Config string `help:"The controller's configuration." default:"/etc/cairn/controller.json" type:"path"`
	Check  bool   `help:"Check the configuration and exit."`
}

// Run serves until ctx ends.
func (c *Command) Run(ctx context.Context, log *slog.Logger) error {
	conf, err := LoadConfig(c.Config)
	if err != nil {
		return err
	}
	if _, err := policyFiles(conf.policies()).read(); err != nil || c.Check {
		return err
	}
	return Serve(ctx, conf, log)
}

// Serve runs a controller until ctx ends. It returns nil after a stop that was
// asked for.
func Serve(ctx context.Context, c Config, log *slog.Logger) (err error) {
	if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	log = slog.New(cloud.LogHandler(log.Handler()))
	figures := metrics.New()
	events, err := audit.Open(filepath.Join(c.StateDir, "audit"), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, events.Close()) }()
	f := newFront(log, figures.Handler())
	if err := f.listen(ctx, g, c); err != nil {
		return err
	}
	g.Go(func() error { return serveProfiles(ctx, c.StateDir, figures.Handler()) })
	g.Go(func() error { return events.Run(ctx) })
	g.Go(func() error { return work(ctx, c, watchers{f, figures, events}, log) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// watchers are what stands in front of the services and beside them.
type watchers struct {
	front   *front
	metrics *metrics.Registry
	audit   *audit.File
}

// work brings everything up behind the ports and keeps it running.
func work(ctx context.Context, c Config, w watchers, log *slog.Logger) (err error) {
	began, f := time.Now(), w.front
	f.waitFor("the database")
	b, err := bus.DialController(ctx, bus.Config{
		Address: c.Broker.Address, ServerName: c.Broker.ServerName, VHost: c.Broker.VHost,
		CA: c.CA, Cert: c.Broker.Cert, Key: c.Broker.Key, Log: log.With("service", "broker"),
	})
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	all, err := NewCloud(ctx, Options{
		Database: func(service string, ddl bool) store.Config {
			if ddl {
				return c.database(service, "_ddl")
			}
			return c.database(service, "")
		},
		Bus: b, Accounts: definitionsFile(c.Broker.Definitions), StateDir: c.StateDir, AdminPasswordFile: c.AdminPasswordFile, PolicyDir: c.policies(), Passwords: c.Passwords,
		Region: c.Region, VLANFrom: c.VLANFrom, VLANTo: c.VLANTo, MTU: c.MTU, Image: c.Image, Log: log,
		Limits: c.limits(), Tell: []func(*api.Done){w.metrics.Tell, w.audit.Tell},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, all.Close()) }()
	w.metrics.UnderWay(all.API.UnderWay)
	f.open(all, b.Connected)
	log.Info("the cloud answers", "address", c.Listen, "after", time.Since(began).Round(time.Millisecond))
	notify(log, daemon.SdNotifyReady)
	defer notify(log, daemon.SdNotifyStopping)
	return all.Run(ctx)
}

// notify tells systemd, if it started us.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("cannot notify systemd", "error", err)
	}
}

// listenTCP opens a port.
func listenTCP(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", address)
}
