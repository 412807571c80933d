// Package testcloud is the whole controller in one test process: every service
// over a real MariaDB, behind TLS, with simulated nodes on a bus in memory.
//
// Only tests import it.
package testcloud

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/controller"
	"github.com/cairn-cloud/cairn/controller/cluster"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/hardening/private"
	"github.com/cairn-cloud/cairn/node/bus"
	"github.com/cairn-cloud/cairn/node/simnode"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Options say what cloud to build.
type Options struct {
	Nodes  int             // simulated nodes, called sim1 and so on
	Server *private.Server // for the services' schemas; nil: the one that all tests of the process share
}

// A Cloud is a running controller with its nodes.
type Cloud struct {
	*controller.Cloud
	URL      string // https://127.0.0.1:port
	Password string // of admin

	t      testing.TB
	o      controller.Options
	bus    *bus.Memory
	server *httptest.Server
	stop   func() error
}

// New builds a cloud and waits until its nodes are ready. It ends with the
// test.
func New(t testing.TB, o Options) *Cloud {
	t.Helper()
	home, account := database(t, o.Server)
	dir := t.TempDir()
	c := &Cloud{t: t, bus: bus.NewMemory()}
	c.o = controller.Options{
		Database: func(service string, ddl bool) store.Config {
			if ddl {
				service += "_ddl"
			}
			a := account(service)
			return store.Config{
				Address: home.Address, ServerName: home.ServerName, CA: home.CA,
				User: a.User, PasswordFile: a.PasswordFile, Cert: a.Cert, Key: a.Key, Database: a.Database,
			}
		},
		Accounts: noAccounts{}, StateDir: filepath.Join(dir, "controller"), AdminPasswordFile: filepath.Join(dir, "password"),
		VLANFrom: 100, VLANTo: 199, Log: logOf(t),
	}
	c.Start()
	t.Cleanup(c.Stop)
	c.readPassword()
	for i := range o.Nodes {
		c.addNode(fmt.Sprintf("sim%d", i+1), filepath.Join(dir, "nodes"))
	}
	c.waitReady(o.Nodes)
	return c
}

// Services are those that have a schema.
func Services() []string { return []string{"identity", "image", "network", "compute", "cluster"} }

// database is where the schemas are, and their accounts.
func database(t testing.TB, own *private.Server) (private.Home, func(name string) private.Account) {
	t.Helper()
	if own != nil {
		return own.Home, own.Account
	}
	shared := private.MariaDB(t, Services()...)
	return shared.Home, shared.Account
}

// Beside starts a second controller over the same database, which ends with
// the test, and gives its address. It has the same keys and no nodes.
func (c *Cloud) Beside() (url string) {
	c.t.Helper()
	o := c.o
	o.StateDir = filepath.Join(c.t.TempDir(), "controller")
	o.Bus = bus.NewMemory().Controller()
	c.copyKeys(filepath.Join(o.StateDir, "identity"))
	built, err := controller.NewCloud(c.t.Context(), o)
	if err != nil {
		c.t.Fatalf("build a second controller: %v", err)
	}
	server := httptest.NewTLSServer(built.Public)
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	var g errgroup.Group
	g.Go(func() error { return built.Run(ctx) })
	c.t.Cleanup(func() {
		server.Close()
		cancel()
		if err := errors.Join(g.Wait(), built.Close(), o.Bus.Close()); err != nil && !errors.Is(err, context.Canceled) {
			c.t.Errorf("stop the second controller: %v", err)
		}
	})
	return server.URL
}

// copyKeys copies identity's keys, readable for their owner alone.
func (c *Cloud) copyKeys(to string) {
	c.t.Helper()
	from := filepath.Join(c.o.StateDir, "identity")
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, b, 0o600)
	})
	if err != nil {
		c.t.Fatalf("copy the keys: %v", err)
	}
}

// Start brings the controller up over what its database has.
func (c *Cloud) Start() {
	c.t.Helper()
	o := c.o
	o.Bus = c.bus.Controller()
	built, err := controller.NewCloud(c.t.Context(), o)
	if err != nil {
		c.t.Fatalf("build the cloud: %v", err)
	}
	c.Cloud = built
	if c.server == nil {
		c.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.Public.ServeHTTP(w, r) }))
		c.URL = c.server.URL
		c.t.Cleanup(c.server.Close)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	var g errgroup.Group
	g.Go(func() error { return built.Run(ctx) })
	c.stop = func() error {
		cancel()
		err := errors.Join(g.Wait(), built.Close(), o.Bus.Close())
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
}

// Stop ends the controller, whatever it is doing. Start brings it up again.
func (c *Cloud) Stop() {
	c.t.Helper()
	if c.stop == nil {
		return
	}
	if err := c.stop(); err != nil {
		c.t.Errorf("stop the controller: %v", err)
	}
	c.stop = nil
}

// Client trusts the cloud's certificate.
func (c *Cloud) Client() *http.Client { return c.server.Client() }

// TLS is the client's side of the cloud's certificate.
func (c *Cloud) TLS() *tls.Config {
	t, ok := c.server.Client().Transport.(*http.Transport)
	if !ok {
		c.t.Fatal("the test server's client has no transport of its own")
	}
	return t.TLSClientConfig
}

// addNode registers a simulated node and runs it until the test ends.
func (c *Cloud) addNode(id, dir string) {
	c.t.Helper()
	err := c.Cluster.Register(c.t.Context(), spec.Node{
		ID: id, Name: id, Roles: []spec.Role{spec.RoleCompute}, Controller: netip.MustParseAddr("127.0.0.1"),
		Management: spec.Interface{Address: netip.MustParsePrefix("127.0.0.1/8")},
	})
	if err != nil {
		c.t.Fatalf("register node %s: %v", id, err)
	}
	n := c.bus.Node(id)
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := simnode.Run(ctx, n, simnode.Options{ID: id, Name: id, StateDir: filepath.Join(dir, id), Beat: time.Second, Log: c.o.Log})
		if err != nil && ctx.Err() == nil {
			c.t.Errorf("node %s: %v", id, err)
		}
	}()
	c.t.Cleanup(func() {
		cancel()
		<-done
		if err := n.Close(); err != nil {
			c.t.Errorf("node %s: %v", id, err)
		}
	})
}

// waitReady waits until so many nodes are ready.
func (c *Cloud) waitReady(nodes int) {
	c.t.Helper()
	c.Until("the nodes are ready", func(ctx context.Context) (bool, error) {
		list, err := c.Cluster.List(ctx)
		ready := 0
		for _, n := range list {
			if n.State == cluster.StateReady {
				ready++
			}
		}
		return ready == nodes, err
	})
}

// patience bounds a wait on a very busy machine.
const patience = 2 * time.Minute

// Until waits until f says true.
func (c *Cloud) Until(what string, f func(ctx context.Context) (bool, error)) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		done, err := f(ctx)
		if done {
			return
		}
		select {
		case <-ctx.Done():
			c.t.Fatalf("waiting until %s: %v (last error: %v)", what, ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *Cloud) readPassword() {
	c.t.Helper()
	b, err := os.ReadFile(c.o.AdminPasswordFile)
	if err != nil {
		c.t.Fatal(err)
	}
	c.Password = strings.TrimSpace(string(b))
}

// noAccounts stands in for the broker's: the bus in memory has none.
type noAccounts struct{}

func (noAccounts) SetNodes(context.Context, []string) error { return nil }

// logOf writes to the test's log, until the test ends.
func logOf(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}
