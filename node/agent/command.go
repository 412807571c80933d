package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/node/bus"
	"github.com/cairn-cloud/cairn/node/disk"
	"github.com/cairn-cloud/cairn/node/host"
	"github.com/cairn-cloud/cairn/node/imagecache"
	"github.com/cairn-cloud/cairn/node/spec"
	"github.com/cairn-cloud/cairn/node/vswitch"
)

// Ports of the controller's management address.
const (
	brokerPort = "5671"
	imagePort  = "8444"
)

// Names that the controller's certificates are valid for.
const (
	brokerName = "rabbitmq"
	imageName  = "api"
)

// Command is the agent of a compute node. It reads the node manifest and the
// node's certificate; everything else has a default that works.
type Command struct {
	Manifest string `help:"The node manifest." default:"/var/lib/cairn/node.json" type:"path"`
	PKI      string `help:"Directory with ca.crt, node.crt and node.key." default:"/var/lib/cairn/pki" type:"path" name:"pki"`
	State    string `help:"Directory for records, guests and images." default:"/var/lib/cairn" type:"path"`
	Broker   string `help:"host:port of the message broker; else that of the controller in the manifest."`
	Images   string `help:"https URL of the images; else that of the controller in the manifest."`
	Deployer string `help:"https URL of the deployer, for fabric checks; else that of the controller in the manifest."`
	VHost    string `help:"Virtual host of the broker." name:"vhost" default:"/cairn"`
	Libvirt  string `help:"Socket of libvirtd." default:"/run/libvirt/libvirt-sock" type:"path"`
	Bridge   string `help:"Bridge of the project networks." default:"br-tenant"`
	KVM      string `help:"Whether QEMU uses KVM: auto asks a probe." enum:"auto,on,off" default:"auto" name:"kvm"`
	Plain    bool   `help:"One project network, without tags; for kernels that cannot filter VLANs." hidden:""`
	ProbeKVM string `help:"Find out whether KVM runs this kernel, print the answer and do nothing else." hidden:"" name:"probe-kvm" type:"path"`
}

// Run is called by kong.
func (c *Command) Run(ctx context.Context, log *slog.Logger) error {
	if c.ProbeKVM != "" {
		return answerKVM(ctx, os.Stdout, c.ProbeKVM)
	}
	var node spec.Node
	if err := host.ReadJSON(c.Manifest, &node); err != nil {
		return fmt.Errorf("node manifest: %w", err)
	}
	if err := node.Check(); err != nil {
		return err
	}
	// Guests run as users of their own, which have to pass through here to
	// their disks. What is beside has modes of its own.
	if err := os.Chmod(c.State, 0o711); err != nil {
		return err
	}
	b, err := bus.DialNode(ctx, node.ID, bus.Config{
		Address: orElse(c.Broker, net.JoinHostPort(node.Controller.String(), brokerPort)), ServerName: brokerName,
		VHost: c.VHost, CA: c.pki("ca.crt"), Cert: c.pki("node.crt"), Key: c.pki("node.key"), Log: log,
	})
	if err != nil {
		return err
	}
	defer b.Close()
	loadModules(ctx, log)
	store, err := c.store(&node, log)
	if err != nil {
		return err
	}
	network := vswitch.New(onTrunk(&node, vswitch.Options{Bridge: c.Bridge, Log: log, Plain: c.Plain}))
	defer network.Close()
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	drivers, err := c.drivers(ctx, strings.TrimSpace(string(boot)), log)
	if err != nil {
		return err
	}
	a, err := New(Needs{
		Bus: b, Drivers: drivers, Network: network, Store: store,
		Self: &machine{node: node, guests: filepath.Join(c.State, "guests")}, Log: log,
	}, Options{
		StateDir: filepath.Join(c.State, "agent"), Boot: strings.TrimSpace(string(boot)), Bridge: c.Bridge,
	})
	if err != nil {
		return err
	}
	r, err := c.reference(&node, log)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.Run(ctx) })
	if node.Tenant.MAC != "" {
		g.Go(func() error { return r.run(ctx) })
	}
	return g.Wait()
}

// reference is the node's part in fabric checks of new machines.
func (c *Command) reference(node *spec.Node, log *slog.Logger) (*reference, error) {
	client, err := imagecache.Client(c.pki("ca.crt"), c.pki("node.crt"), c.pki("node.key"), deployerName)
	if err != nil {
		return nil, err
	}
	base := orElse(c.Deployer, "https://"+net.JoinHostPort(node.Controller.String(), deployerPort))
	return &reference{base: referenceURL(base, node.ID), trunk: node.Tenant.MAC, http: client,
		probe: probeProgram, retry: askAgain, log: log}, nil
}

// onTrunk says what carries the project networks of a node.
func onTrunk(node *spec.Node, o vswitch.Options) vswitch.Options {
	o.TrunkMAC = node.Tenant.MAC
	if o.TrunkMAC == node.Management.MAC {
		o.SharedTrunk, o.ManagementVLAN, o.TrunkBond = true, node.Management.VLAN, node.Management.Bond != nil
	}
	return o
}

func (c *Command) pki(name string) string { return filepath.Join(c.PKI, name) }

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// store joins the image cache and the guests' directories.
func (c *Command) store(node *spec.Node, log *slog.Logger) (*disk.Store, error) {
	base, err := url.Parse(orElse(c.Images, "https://"+net.JoinHostPort(node.Controller.String(), imagePort)))
	if err != nil {
		return nil, fmt.Errorf("images: %w", err)
	}
	var client *http.Client
	if client, err = imagecache.Client(c.pki("ca.crt"), c.pki("node.crt"), c.pki("node.key"), imageName); err != nil {
		return nil, err
	}
	cache, err := imagecache.New(imagecache.Options{Dir: filepath.Join(c.State, "images"), Base: base, Client: client, Log: log})
	if err != nil {
		return nil, err
	}
	return disk.New(filepath.Join(c.State, "guests"), cache)
}

// Modules are the kernel modules that a compute node needs. Those of nftables'
// expressions load by themselves.
var modules = [...]string{"bridge", "8021q", "veth", "tun", "nf_tables", "nf_conntrack_bridge", "nf_conntrack", "vhost_net", "kvm_intel", "kvm_amd"}

// loadModules loads what is not there yet. The kernel may have it built in, or
// not at all: then it shows where it is used.
func loadModules(ctx context.Context, log *slog.Logger) {
	for _, m := range modules {
		if _, err := host.Run(ctx, "modprobe", "--quiet", m); err != nil {
			log.Debug("a kernel module was not loaded", "module", m, "error", err)
		}
	}
}
