package pxe

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cairn-cloud/cairn/hardening"
	"github.com/cairn-cloud/cairn/hardening/pki"
)

// controllerConfig writes what an installed controller has: deploy.json as
// hardening renders it, the CA, and the deployer's certificate.
func controllerConfig(t *testing.T) (path string, conf hardening.DeployConfig) {
	t.Helper()
	dir := t.TempDir()
	ca, err := pki.FoundCA(filepath.Join(dir, "pki"), "test")
	must(t, err)
	pair, err := ca.IssuePeer([]string{serverName}, []netip.Addr{netip.MustParseAddr("10.20.0.11")})
	must(t, err)
	must(t, pair.Save(filepath.Join(dir, "pki", serverName)))
	must(t, os.WriteFile(filepath.Join(dir, "rack.yaml"), []byte("name: test\n"), 0o600))
	conf = hardening.DeployConfig{
		RackFile: filepath.Join(dir, "rack.yaml"), Release: testRelease(t, []byte("kernel")), StateDir: filepath.Join(dir, "deploy"),
		InterfaceMAC: "52:54:00:00:00:99", Address: "10.20.0.11", Controller: "https://10.20.0.11:8444",
		CA: filepath.Join(dir, "pki", pki.CertFile), CAKey: filepath.Join(dir, "pki", pki.KeyFile),
		Cert: filepath.Join(dir, "pki", serverName, pki.PairCert), Key: filepath.Join(dir, "pki", serverName, pki.PairKey),
	}
	conf.Root = filepath.Join(conf.Release, "root.img")
	raw, err := json.Marshal(conf)
	must(t, err)
	path = filepath.Join(dir, "deploy.json")
	must(t, os.WriteFile(path, raw, 0o600))
	return path, conf
}

func TestControllersConfiguration(t *testing.T) {
	path, want := controllerConfig(t)
	log := slog.New(slog.DiscardHandler)
	cmd := Command{Config: path, Check: true}
	must(t, cmd.Run(context.Background(), log))

	d, err := newDeployer(must2(cmd.config())(t), log)
	must(t, err)
	must(t, d.openState())
	defer d.close()
	if d.rack.Name != "test" || d.release.Manifest.Version != "test-1" || d.conf.Controller != want.Controller {
		t.Errorf("got rack %q, release %q, controller %q", d.rack.Name, d.release.Manifest.Version, d.conf.Controller)
	}
	if n := len(d.trust.cert.Certificate); n != 2 {
		t.Errorf("installers are shown %d certificates, want ours and the CA's", n)
	}
	other := *d
	if err := other.openState(); err == nil || !strings.Contains(err.Error(), "does another deployer run?") {
		t.Errorf("two deployers share one state: %v", err)
	}
	// The network is not there yet; it waits, and can be stopped.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.run(ctx); err == nil || !strings.Contains(err.Error(), `an interface (name "", MAC "52:54:00:00:00:99") that is up and has address 10.20.0.11`) {
		t.Errorf("without the interface: got %v", err)
	}
}

// must2 takes a value and an error apart.
func must2[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T { must(t, err); return v }
}

func TestFlagsOverruleTheFile(t *testing.T) {
	path, file := controllerConfig(t)
	cmd := Command{Config: path, Rack: "r", State: "s", Interface: "i", Address: netip.MustParseAddr("10.20.0.12"),
		Controller: "c", Loaders: "l", KernelArg: []string{"a=b"}}
	got, err := cmd.config()
	must(t, err)
	want := Config{RackFile: "r", Release: file.Release, Root: file.Root, StateDir: "s", InterfaceMAC: file.InterfaceMAC, Interface: "i",
		Address: cmd.Address, CA: file.CA, CAKey: file.CAKey, Cert: file.Cert, Key: file.Key, Controller: "c", Loaders: "l", KernelArgs: []string{"a=b"}}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
}

func TestWrongConfigurationsAreSaid(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"configuration: release is empty; allowed: the directory of a release, with its manifest.json":                           func(c *Config) { c.Release = "" },
		"configuration: state_dir is empty; allowed: a directory":                                                                func(c *Config) { c.StateDir = "" },
		"configuration: address 192.0.2.1 is outside management.network 10.20.0.0/24 of the rack":                                func(c *Config) { c.Address = netip.MustParseAddr("192.0.2.1") },
		"configuration: ca and ca_key belong together; allowed: both or none":                                                    func(c *Config) { c.CAKey = "" },
		"configuration: cert and key belong together; allowed: both or none":                                                     func(c *Config) { c.Cert = "" },
		`configuration: kernel_args: kernel argument "a b" has ' '; allowed: printable ASCII without blanks, quotes and ${}|&;#`: func(c *Config) { c.KernelArgs = []string{"a b"} },
		"configuration: found together with controller https://10.20.0.11:8444; allowed: one of them, since a rack that has a controller is founded already": func(c *Config) {
			c.Found = true
		},
		"configuration: address 10.20.0.11 is that of the controller to be; allowed: another one of 10.20.0.0/24": func(c *Config) { c.Found, c.Controller = true, "" },
		"boot loader undionly.kpxe is not in /nowhere; install the package ipxe or say where it is (loaders)":     func(c *Config) { c.Loaders = "/nowhere" },
		"rack: open /nowhere: no such file or directory":                                                          func(c *Config) { c.RackFile = "/nowhere" },
		"release: open /nowhere/manifest.json: no such file or directory":                                         func(c *Config) { c.Release = "/nowhere" },
		"own certificate: open /nowhere: no such file or directory":                                               func(c *Config) { c.Cert = "/nowhere" },
		"open CA: open /nowhere: no such file or directory":                                                       func(c *Config) { c.CA = "/nowhere" },
		"release DIR, version test-1: open DIR/vmlinuz: no such file or directory":                                func(c *Config) { must(t, os.Remove(filepath.Join(c.Release, "vmlinuz"))) },
	} {
		path, _ := controllerConfig(t)
		conf := must2((&Command{Config: path}).config())(t)
		dir := conf.Release
		change(&conf)
		if _, err := newDeployer(conf, slog.New(slog.DiscardHandler)); err == nil || strings.ReplaceAll(err.Error(), dir, "DIR") != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	path := filepath.Join(t.TempDir(), "deploy.json")
	must(t, os.WriteFile(path, []byte(`{"relase":"x"}`), 0o600))
	if _, err := (&Command{Config: path}).config(); err == nil || !strings.Contains(err.Error(), `unknown field "relase"`) {
		t.Errorf("a misspelt field: got %v", err)
	}
	if _, err := (&Command{Config: path + "x"}).config(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}
