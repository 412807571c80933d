package pxe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"

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

// answerRouters is a convenience: without it iPXE waits half a minute longer.
func (d *deployer) answerRouters(ctx context.Context, ifi *net.Interface) error {
	if err := dhcp.ServeRouterSolicitations(ctx, ifi, d.log); err != nil {
		d.log.Warn("machines will wait for IPv6 before they boot", "why", err)
	}
	return nil
}

func (d *deployer) serveTFTP(ctx context.Context, a netip.Addr) error {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: a.AsSlice(), Port: 69})
	if err != nil {
		return fmt.Errorf("TFTP: %w", err)
	}
	return d.tftp.Serve(ctx, conn)
}

func (d *deployer) bootConfig() httpboot.BootConfig {
	c := httpboot.BootConfig{
		Fleet: d.fleet, Release: d.release, Loaders: d.tftp, Deployer: d.conf.Address,
		CA: d.trust.ca.Fingerprint(), VLAN: d.rack.Management.VLAN, Args: d.conf.KernelArgs, Log: d.log,
	}
	if !d.givesAddresses() {
		c.Fleet = learning{d.fleet, d.addresses}
	}
	return c
}

func (d *deployer) serveBoot(ctx context.Context) error {
	l, err := listen(ctx, d.conf.Address, plan.HTTPPort)
	if err != nil {
		return fmt.Errorf("HTTP: %w", err)
	}
	return httpboot.Serve(ctx, l, httpboot.Boot(d.bootConfig()), nil, d.book.For("http"))
}

func (d *deployer) serveAPI(ctx context.Context) error {
	l, err := listen(ctx, d.conf.Address, plan.HTTPSPort)
	if err != nil {
		return fmt.Errorf("HTTPS: %w", err)
	}
	tokenFile := filepath.Join(d.conf.OperatorDir, operate.TokenFile)
	token, err := page.Token(tokenFile)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", httpboot.API(d.fleet, d.fleet, d.log))
	counters := httpboot.Counters(d.book, d.countKernel, d.detectors.servers, d.log)
	mux.Handle("/v1/counters", counters)
	mux.Handle("/metrics", counters)
	shown := page.Handler(page.Config{Rack: d.fleet, Name: d.rack.Name, Version: d.release.Manifest.Version,
		CA: d.trust.ca.Fingerprint(), Token: token, Log: d.log})
	mux.Handle("/", shown)
	mux.Handle("/v1/view", shown)
	d.log.Info("page", "url", "https://"+net.JoinHostPort(d.conf.Address.String(), strconv.Itoa(plan.HTTPSPort))+"/", "token_file", tokenFile)
	conf := httpboot.TLSConfig(d.trust.cert, d.trust.ca.Certificate())
	return httpboot.Serve(ctx, l, mux, conf, d.book.For("https"))
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
