package pxe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/dhcp"
	"github.com/cairn-cloud/cairn/pxe/httpboot"
	"github.com/cairn-cloud/cairn/pxe/operate"
	"github.com/cairn-cloud/cairn/pxe/page"
	"github.com/cairn-cloud/cairn/pxe/tally"
)

func httpBase(a netip.Addr) string {
	return "http://" + net.JoinHostPort(a.String(), strconv.Itoa(plan.HTTPPort))
}

func listen(ctx context.Context, a netip.Addr, port int) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp4", net.JoinHostPort(a.String(), strconv.Itoa(port)))
}

// A part opens what it hears on, and returns what serves there until the
// context ends.
type part func(ctx context.Context) (serve func(context.Context) error, err error)

// background is a part that hears nothing.
func background(serve func(context.Context) error) part {
	return func(context.Context) (func(context.Context) error, error) { return serve, nil }
}

// serveAll opens all parts, says that they are, and serves until the context
// ends or a part fails.
func serveAll(ctx context.Context, parts []part, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for _, start := range parts {
		serve, err := start(ctx)
		if err != nil {
			cancel()
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error { return serve(ctx) })
	}
	ready()
	return g.Wait()
}

// answerRouters is a convenience: without it iPXE waits half a minute longer.
func (d *deployer) answerRouters(ctx context.Context, ifi *net.Interface) error {
	if err := dhcp.ServeRouterSolicitations(ctx, ifi, d.log); err != nil {
		d.log.Warn("machines will wait for IPv6 before they boot", "why", err)
	}
	return nil
}

func (d *deployer) startTFTP(a netip.Addr) part {
	return func(context.Context) (func(context.Context) error, error) {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: a.AsSlice(), Port: 69})
		if err != nil {
			return nil, fmt.Errorf("TFTP: %w", err)
		}
		return func(ctx context.Context) error { return d.tftp.Serve(ctx, conn) }, nil
	}
}

func (d *deployer) bootConfig() httpboot.BootConfig {
	c := httpboot.BootConfig{
		Fleet: d.fleet, Release: d.release, Loaders: d.tftp, Deployer: d.conf.Address,
		CA: d.trust.ca.Fingerprint(), VLAN: d.rack.Management.VLAN, Args: d.conf.KernelArgs, Meter: d.book.For("http"), Log: d.log,
	}
	if !d.givesAddresses() {
		c.Fleet = learning{d.fleet, d.addresses}
	}
	return c
}

// startBoot serves what boots, on one address; name is that of its counters.
func (d *deployer) startBoot(a netip.Addr, h http.Handler, name string) part {
	return func(ctx context.Context) (func(context.Context) error, error) {
		l, err := listen(ctx, a, plan.HTTPPort)
		if err != nil {
			return nil, fmt.Errorf("HTTP: %w", err)
		}
		return func(ctx context.Context) error { return httpboot.Serve(ctx, l, h, nil, d.book.For(name)) }, nil
	}
}

// startAPI serves installers and operators.
func (d *deployer) startAPI(ctx context.Context) (func(context.Context) error, error) {
	if err := d.leaveCredentials(); err != nil {
		return nil, err
	}
	h, err := d.api()
	if err != nil {
		return nil, err
	}
	l, err := listen(ctx, d.conf.Address, plan.HTTPSPort)
	if err != nil {
		return nil, fmt.Errorf("HTTPS: %w", err)
	}
	conf := httpboot.TLSConfig(d.trust.cert, d.trust.ca.Certificate())
	return func(ctx context.Context) error { return httpboot.Serve(ctx, l, h, conf, d.book.For("https")) }, nil
}

// api is the API, the counters and the page.
func (d *deployer) api() (http.Handler, error) {
	tokenFile := filepath.Join(d.conf.OperatorDir, operate.TokenFile)
	token, err := page.Token(tokenFile)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", httpboot.API(d.fleet, d.fleet, d.log))
	mux.Handle("/v1/nodes/{id}/fabric", httpboot.NodeAPI(d.fleet, d.log))
	httpboot.HandleVaults(mux, d.fleet, d.log)
	counters := httpboot.Counters(d.book, d.countKernel, d.detectors.servers, d.log)
	mux.Handle("/v1/counters", counters)
	mux.Handle("/metrics", counters)
	shown := page.Handler(page.Config{Rack: d.fleet, Name: d.rack.Name, Version: d.release.Manifest.Version,
		CA: d.trust.ca.Fingerprint(), Token: token, Log: d.log})
	mux.Handle("/", shown)
	mux.Handle("/v1/view", shown)
	d.log.Info("page", "url", "https://"+net.JoinHostPort(d.conf.Address.String(), strconv.Itoa(plan.HTTPSPort))+"/", "token_file", tokenFile)
	return mux, nil
}

// countKernel takes over what the kernel dropped because we were too slow.
func (d *deployer) countKernel() {
	drops, err := tally.KernelDrops(dhcp.BootPort, 67, 69)
	if err != nil {
		d.log.Debug("drops of the kernel are not known", "err", err)
		return
	}
	for port, n := range drops {
		d.book.For(map[int]string{67: "dhcp", dhcp.BootPort: "dhcp-4011", 69: "tftp"}[port]).Set("socket-full", n)
	}
}

// detectors look for other DHCP servers, one on each wire.
type detectors struct {
	mu   sync.Mutex
	list []*dhcp.Detector // guarded by mu
}

func (d *detectors) add(one *dhcp.Detector) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, one)
}

// servers lists what all of them found.
func (d *detectors) servers() []dhcp.Other {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := []dhcp.Other{}
	for _, one := range d.list {
		list = append(list, one.Others()...)
	}
	return list
}
