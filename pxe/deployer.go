package pxe

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/dhcp"
	"github.com/cairn-cloud/cairn/pxe/fleet"
	"github.com/cairn-cloud/cairn/pxe/httpboot"
	"github.com/cairn-cloud/cairn/pxe/operate"
	"github.com/cairn-cloud/cairn/pxe/page"
	"github.com/cairn-cloud/cairn/pxe/tftp"
)

// biosLoader is what BIOS machines load over TFTP.
const biosLoader = "undionly.kpxe"

// A deployer has all parts, made and not yet started.
type deployer struct {
	conf    Config
	rack    *plan.Rack
	log     *slog.Logger
	trust   *trust
	db      *bbolt.DB
	pool    *dhcp.Pool
	fleet   *fleet.Fleet
	release *httpboot.Release
	tftp    *tftp.Server
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
	d := &deployer{conf: conf, rack: rack, log: log}
	if d.release, err = httpboot.OpenRelease(conf.Release, conf.Root); err != nil {
		return nil, err
	}
	if d.trust, err = openTrust(&conf, rack, log); err != nil {
		return nil, err
	}
	d.tftp, err = tftp.Open(conf.Loaders, []string{biosLoader, conf.UEFILoader}, log,
		func(a netip.Addr, _ string) { d.fleet.Fetched(a, fleet.EventLoader) })
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
	m := d.rack.Management
	d.pool, err = dhcp.OpenPool(dhcp.PoolConfig{DB: db, From: m.RangeFrom, To: m.RangeTo,
		Reserved: []netip.Addr{d.conf.Address, m.Controller}})
	if err != nil {
		return err
	}
	reserved, err := d.conf.ownName()
	if err != nil {
		return err
	}
	d.fleet, err = fleet.Open(fleet.Config{
		Dir: d.conf.StateDir, DB: db, Rack: d.rack, Version: d.release.Manifest.Version,
		Reserved: reserved, Addresses: d.pool, Issuer: d.trust.ca, Power: d.power, Log: d.log,
	})
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
	g, ctx := errgroup.WithContext(ctx)
	if d.conf.ListenDHCP == nil || *d.conf.ListenDHCP {
		g.Go(func() error { return dhcp.Serve(ctx, ifi.Name, d.responder()) })
	}
	g.Go(func() error { return d.answerRouters(ctx, ifi) })
	g.Go(func() error { return d.serveTFTP(ctx) })
	g.Go(func() error { return d.serveBoot(ctx) })
	g.Go(func() error { return d.serveAPI(ctx) })
	if d.conf.Controller != "" {
		g.Go(func() error { return d.fleet.Run(ctx, d.trust.controller(d.conf.Controller)) })
	}
	d.log.Info("deployer ready", "interface", ifi.Name, "address", d.conf.Address, "rack", d.rack.Name,
		"release", d.release.Manifest.Version, "range", d.rack.Management.RangeFrom.String()+"-"+d.rack.Management.RangeTo.String())
	return g.Wait()
}

func (d *deployer) base() string {
	return "http://" + net.JoinHostPort(d.conf.Address.String(), strconv.Itoa(plan.HTTPPort))
}

func (d *deployer) responder() *dhcp.Responder {
	return dhcp.New(dhcp.Config{
		Server: netip.PrefixFrom(d.conf.Address, d.rack.Management.Network.Bits()), HTTP: d.base(),
		Files: dhcp.Files{BIOS: biosLoader, UEFI: d.conf.UEFILoader, Next: tftp.NextName},
		Pool:  d.pool, Observer: watcher{d.fleet, d.log}, Installed: d.fleet.Installed, Log: d.log,
	})
}

// answerRouters is a convenience: without it iPXE waits half a minute longer.
func (d *deployer) answerRouters(ctx context.Context, ifi *net.Interface) error {
	if err := dhcp.ServeRouterSolicitations(ctx, ifi, d.log); err != nil {
		d.log.Warn("machines will wait for IPv6 before they boot", "why", err)
	}
	return nil
}

func (d *deployer) serveTFTP(ctx context.Context) error {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: d.conf.Address.AsSlice(), Port: 69})
	if err != nil {
		return fmt.Errorf("TFTP: %w", err)
	}
	return d.tftp.Serve(ctx, conn)
}

func (d *deployer) listen(ctx context.Context, port int) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp4", net.JoinHostPort(d.conf.Address.String(), strconv.Itoa(port)))
}

func (d *deployer) serveBoot(ctx context.Context) error {
	l, err := d.listen(ctx, plan.HTTPPort)
	if err != nil {
		return fmt.Errorf("HTTP: %w", err)
	}
	h := httpboot.Boot(httpboot.BootConfig{
		Fleet: d.fleet, Release: d.release, Loaders: d.tftp, Deployer: d.conf.Address,
		CA: d.trust.ca.Fingerprint(), Args: d.conf.KernelArgs, Log: d.log,
	})
	return httpboot.Serve(ctx, l, h, nil, d.log)
}

func (d *deployer) serveAPI(ctx context.Context) error {
	l, err := d.listen(ctx, plan.HTTPSPort)
	if err != nil {
		return fmt.Errorf("HTTPS: %w", err)
	}
	if err := d.leaveCredentials(); err != nil {
		return err
	}
	tokenFile := filepath.Join(d.conf.OperatorDir, operate.TokenFile)
	token, err := page.Token(tokenFile)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", httpboot.API(d.fleet, d.fleet, d.log))
	shown := page.Handler(page.Config{Rack: d.fleet, Name: d.rack.Name, Version: d.release.Manifest.Version,
		CA: d.trust.ca.Fingerprint(), Token: token, Log: d.log})
	mux.Handle("/", shown)
	mux.Handle("/v1/view", shown)
	d.log.Info("page", "url", "https://"+net.JoinHostPort(d.conf.Address.String(), strconv.Itoa(plan.HTTPSPort))+"/", "token_file", tokenFile)
	conf := httpboot.TLSConfig(d.trust.cert, d.trust.ca.Certificate())
	return httpboot.Serve(ctx, l, mux, conf, d.log)
}

// A watcher tells the fleet of what DHCP sees.
type watcher struct {
	fleet *fleet.Fleet
	log   *slog.Logger
}

func (w watcher) Discovered(c dhcp.Client) {
	if c.Kind == dhcp.KindPlain {
		return // the installer itself, or an installed system
	}
	if err := w.fleet.Discovered(c.MAC, c.Address, string(c.Kind)); err != nil {
		w.log.Warn("machine not kept", "mac", c.MAC, "why", err)
	}
}

func (w watcher) OtherServer(mac string, server netip.Addr) { w.fleet.OtherServer(mac, server) }
