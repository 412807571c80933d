package pxe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/dhcp"
	"github.com/cairn-cloud/cairn/pxe/fleet"
	"github.com/cairn-cloud/cairn/pxe/httpboot"
	"github.com/cairn-cloud/cairn/pxe/tally"
	"github.com/cairn-cloud/cairn/pxe/tftp"
)

// biosLoader is what BIOS machines load over TFTP.
const biosLoader = "undionly.kpxe"

// A deployer has all parts, made and not yet started.
type deployer struct {
	conf      Config
	rack      *plan.Rack
	log       *slog.Logger
	book      *tally.Book
	trust     *trust
	db        *bbolt.DB
	pools     pools
	addresses *dhcp.Networks
	fleet     *fleet.Fleet
	release   *httpboot.Release
	tftp      *tftp.Server
	detectors *detectors
	founder   *founder // nil: the rack has a controller, or needs none
}

// newDeployer reads everything that can be wrong before anything is started.
func newDeployer(conf Config, log *slog.Logger) (*deployer, error) {
	rack, err := conf.rack()
	if err != nil {
		return nil, err
	}
	if err := conf.complete(rack); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if err := os.MkdirAll(conf.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("state_dir: %w", err)
	}
	d := &deployer{conf: conf, rack: rack, log: log, book: tally.New(log, nil), detectors: &detectors{}}
	if d.release, err = httpboot.OpenRelease(conf.Release, conf.Root); err != nil {
		return nil, err
	}
	if d.trust, err = openTrust(&conf, rack, log); err != nil {
		return nil, err
	}
	d.tftp, err = tftp.Open(tftp.Config{Dir: conf.Loaders, Names: []string{biosLoader, conf.UEFILoader},
		Fetched: func(a netip.Addr, _ string) { d.fleet.Fetched(a, fleet.EventLoader) }, Count: d.book.For("tftp"), Log: log})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// openState opens the database, and the leases and machines in it.
func (d *deployer) openState() error {
	path := filepath.Join(d.conf.StateDir, "fleet.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: 5 * time.Second})
	if err != nil {
		return fmt.Errorf("state %s: %w (does another deployer run?)", path, err)
	}
	d.db = db
	if err := d.openPools(); err != nil {
		return err
	}
	reserved, err := d.conf.ownName()
	if err != nil {
		return err
	}
	conf := fleet.Config{
		Dir: d.conf.StateDir, DB: db, Rack: d.rack, Version: d.release.Manifest.Version,
		Reserved: reserved, Addresses: d.addresses, Issuer: d.trust.ca, Power: d.power, Log: d.log,
	}
	if root, err := d.release.Manifest.File(manifest.Root); err == nil {
		conf.Chunks = len(root.Chunks)
	}
	if d.conf.Found {
		d.founder = &founder{rack: d.rack, log: d.log}
		conf.Planner = d.founder.plan
		if conf.RackText, err = d.conf.rackText(); err != nil {
			return err
		}
	}
	d.fleet, err = fleet.Open(conf)
	return err
}

func (d *deployer) close() error {
	if d.db == nil {
		return nil
	}
	return d.db.Close()
}

// run serves until the context ends or a part fails.
func (d *deployer) run(ctx context.Context) error {
	ifi, err := findInterface(ctx, &d.conf, d.log)
	if err != nil {
		return err
	}
	err = serveAll(ctx, d.parts(ifi), func() {
		d.log.Info("deployer ready", "interface", ifi.Name, "address", d.conf.Address, "rack", d.rack.Name, "ca", d.trust.ca.Fingerprint(),
			"release", d.release.Manifest.Version, "range", d.rack.Management.RangeFrom.String()+"-"+d.rack.Management.RangeTo.String())
	})
	if !errors.Is(err, errFounded) {
		return err
	}
	return nil
}

// parts are all that a deployer does at once.
func (d *deployer) parts(ifi *net.Interface) []part {
	list := []part{
		d.startTFTP(d.conf.Address),
		d.startBoot(d.conf.Address, httpboot.Boot(d.bootConfig()), "http"),
		d.startAPI,
		background(func(ctx context.Context) error { d.book.Run(ctx); return nil }),
		background(func(ctx context.Context) error { return d.answerRouters(ctx, ifi) }),
	}
	if d.listensDHCP() {
		list = append(list, d.startDHCP(ifi))
	}
	if d.rack.Management.VLAN != 0 {
		list = append(list, background(d.serveUntagged))
	}
	if d.conf.Controller != "" {
		list = append(list, background(func(ctx context.Context) error { return d.fleet.Run(ctx, d.trust.controller(d.conf.Controller)) }))
	}
	if d.founder != nil {
		list = append(list, background(func(ctx context.Context) error { return d.founder.watch(ctx, d.fleet) }))
	}
	return list
}
