package cloud

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/hardening/private"
)

// services is every service with a database of its own.
var services = []string{"identity", "image", "network", "compute", "cluster"}

// RunCommand is the supervisor.
type RunCommand struct{ Place }

// Run runs the cloud until the process is told to stop.
func (c *RunCommand) Run(ctx context.Context, log *slog.Logger) (err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	l := newLayout(c.Dir)
	pid, err := l.hold()
	if err != nil {
		return err
	}
	defer pid.Close()
	defer os.Remove(l.ready())
	s := &supervisor{layout: l, log: log, binary: c.Binary, settings: c.Settings}
	if s.binary == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		s.binary = filepath.Join(filepath.Dir(self), "cairn")
	}
	for i := range c.Nodes {
		s.nodes = append(s.nodes, fmt.Sprintf("sim%d", i+1))
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.start(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.controller.ended:
		return fmt.Errorf("the controller ended: %w", err)
	case err := <-s.simulated.ended:
		return fmt.Errorf("the simulated nodes ended: %w", err)
	}
}

// A supervisor owns every process of a cloud.
type supervisor struct {
	layout
	log    *slog.Logger
	binary string
	nodes  []string // ids, which are names too

	settings string // file that is laid over the controller's configuration; empty: none

	db         *private.Server
	broker     *private.Broker
	controller *process
	simulated  *process
}

// start brings everything up and returns when a token was issued and the nodes
// are registered.
func (s *supervisor) start(ctx context.Context) error {
	began := time.Now()
	p, err := s.ports()
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		s.broker, err = private.StartRabbitMQ(gctx, private.RabbitMQOptions{
			Dir: s.path("rabbitmq"), PKI: s.path("pki"), Nodes: s.nodes, Log: s.log,
		})
		return err
	})
	g.Go(func() (err error) {
		s.db, err = private.StartMariaDB(gctx, private.MariaDBOptions{
			Dir: s.path("mariadb"), PKI: s.path("pki"), Services: services, Log: s.log,
		})
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	deployer, err := s.certificates()
	if err != nil {
		return err
	}
	if err := s.writeConfig(p); err != nil {
		return err
	}
	if s.controller, err = startProcess(s.binary, "controller", "--config", s.config()); err != nil {
		return err
	}
	if err := s.join(ctx, p, deployer); err != nil {
		return err
	}
	s.log.Info("the cloud answers", "after", time.Since(began).Round(time.Millisecond))
	if err := s.writeClouds(p); err != nil {
		return err
	}
	return os.WriteFile(s.ready(), nil, 0o600)
}

// join waits for the first token, registers the nodes and starts them.
func (s *supervisor) join(ctx context.Context, p ports, deployer tls.Certificate) error {
	api, err := s.newClient(p.API)
	if err != nil {
		return err
	}
	if err := api.untilToken(ctx, s.password(), s.controller.ended); err != nil {
		return err
	}
	registry, err := s.newClient(p.Nodes, deployer)
	if err != nil {
		return err
	}
	for i, id := range s.nodes {
		address := netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 0, 1, byte(i + 1)}), 8)
		err := registry.do(ctx, http.MethodPut, "/v1/nodes/"+id, map[string]any{
			"id": id, "name": id, "cluster": "cloud", "roles": []string{"compute"}, "version": "simulated",
			"management": map[string]any{"address": address}, "controller": "127.0.0.1",
		})
		if err != nil {
			return err
		}
	}
	args := []string{
		"simnode", "--address", s.broker.Address, "--server-name", s.broker.ServerName, "--vhost", s.broker.VHost,
		"--ca", s.broker.CA, "--certs", filepath.Dir(filepath.Dir(s.broker.Node(s.nodes[0]).Cert)), "--state", s.path("nodes"),
	}
	s.simulated, err = startProcess(s.binary, append(args, s.nodes...)...)
	return err
}

// certificates makes what the controller's ports and the registration of nodes
// need, and gives the latter.
func (s *supervisor) certificates() (tls.Certificate, error) {
	ca, err := pki.OpenCA(s.path("pki"))
	if err != nil {
		return tls.Certificate{}, err
	}
	names, ips := []string{"api", "localhost"}, []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	if err := keep(ca, s.path("pki", "api"), names, ips, func() (pki.Pair, error) { return ca.IssueServer(names, ips) }); err != nil {
		return tls.Certificate{}, err
	}
	dir := s.path("pki", "deployer")
	if err := keep(ca, dir, nil, nil, func() (pki.Pair, error) { return ca.IssueService("deployer") }); err != nil {
		return tls.Certificate{}, err
	}
	return tls.LoadX509KeyPair(filepath.Join(dir, pki.PairCert), filepath.Join(dir, pki.PairKey))
}

// keep makes sure that dir holds a good certificate.
func keep(ca *pki.CA, dir string, names []string, ips []netip.Addr, issue func() (pki.Pair, error)) error {
	if old, err := pki.LoadPair(dir); err == nil && !ca.Renew(old, names, ips) {
		return nil
	}
	pair, err := issue()
	if err != nil {
		return err
	}
	return pair.Save(dir)
}

// writeConfig writes the controller's configuration.
func (s *supervisor) writeConfig(p ports) error {
	account := func(name string) map[string]string {
		a := s.db.Account(name)
		return map[string]string{"user": a.User, "password_file": a.PasswordFile, "cert": a.Cert, "key": a.Key, "schema": a.Database}
	}
	accounts := map[string]any{}
	for _, service := range services {
		accounts[service], accounts[service+"_ddl"] = account(service), account(service+"_ddl")
	}
	self := s.broker.Controller()
	config := map[string]any{
		"listen": fmt.Sprintf("127.0.0.1:%d", p.API), "node_listen": fmt.Sprintf("127.0.0.1:%d", p.Nodes),
		"state_dir": s.path("controller"), "region": "RegionOne", "ca": s.ca(),
		"cert": s.path("pki", "api", pki.PairCert), "key": s.path("pki", "api", pki.PairKey),
		"database": map[string]any{"address": s.db.Address, "server_name": s.db.ServerName, "accounts": accounts},
		"broker": map[string]any{
			"address": s.broker.Address, "server_name": s.broker.ServerName, "vhost": s.broker.VHost,
			"cert": self.Cert, "key": self.Key,
		},
		"admin_password_file": s.password(), "vlan_from": 100, "vlan_to": 1099,
	}
	if s.settings != "" {
		over, err := os.ReadFile(s.settings)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(over, &config); err != nil {
			return fmt.Errorf("%s: %w", s.settings, err)
		}
	}
	b, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(s.config(), b, 0o600)
}

// stop ends everything, the last started first.
func (s *supervisor) stop() error {
	var errs []error
	for _, p := range []*process{s.simulated, s.controller} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	var g errgroup.Group
	if s.broker != nil {
		g.Go(s.broker.Stop)
	}
	if s.db != nil {
		g.Go(s.db.Stop)
	}
	return errors.Join(append(errs, g.Wait())...)
}

// A process is a program that we started and that ends with us.
type process struct {
	cmd   *exec.Cmd
	ended chan error    // how it ended, once
	done  chan struct{} // closed when it has ended
}

// startProcess runs a program. The kernel ends it when this process ends in
// whatever way; that hangs on the thread that started it, so one goroutine
// keeps its thread until then.
func startProcess(path string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), ended: make(chan error, 1), done: make(chan struct{})} //nolint:noctx // ended by stop
	p.cmd.Stdout, p.cmd.Stderr = os.Stdout, os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		if err = p.cmd.Wait(); err == nil {
			err = errors.New("it stopped")
		}
		p.ended <- err
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(path), err)
	}
	return p, nil
}

// stop asks the program to end and waits until it has.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}
