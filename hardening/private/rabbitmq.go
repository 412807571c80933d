package private

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/cairn-cloud/cairn/hardening"
	"github.com/cairn-cloud/cairn/hardening/pki"
)

const (
	// brokerAccount is the account that Debian's package makes.
	brokerAccount = "rabbitmq"
	// brokerBin is where Debian's package keeps the scripts that run as the
	// calling user; those in /usr/sbin insist on root or rabbitmq.
	brokerBin = "/usr/lib/rabbitmq/bin"
)

// RabbitMQOptions say where and for whom a broker runs.
type RabbitMQOptions struct {
	Dir   string   // state; made if absent, used again if not
	PKI   string   // directory of the CA, founded if absent; default Dir/pki
	Nodes []string // ids of the nodes with an account
	Log   *slog.Logger
}

// A Broker is a running RabbitMQ with an Erlang port mapper of its own.
type Broker struct {
	Home
	VHost string

	env     []string
	epmd    *process
	process *process

	accounts sync.Mutex // held while the accounts change
	nodes    []string   // that have one; guarded by accounts
}

// StartRabbitMQ starts a broker and returns when it answers.
func StartRabbitMQ(ctx context.Context, o RabbitMQOptions) (*Broker, error) {
	b := &Broker{Home: Home{ServerName: "rabbitmq"}, VHost: hardening.BrokerVHost}
	err := b.begin(o.Log, "RabbitMQ", func() error {
		if err := b.move(o.Dir, o.PKI, brokerAccount); err != nil {
			return err
		}
		if err := b.certificates(o.Nodes); err != nil {
			return err
		}
		return onFreePort(ctx, func() error { return b.run(ctx, o.Nodes) }, b.path("output"))
	})
	if err != nil {
		return nil, errors.Join(err, b.Stop())
	}
	return b, nil
}

// run starts the broker once, on ports that were free a moment ago.
func (b *Broker) run(ctx context.Context, nodes []string) error {
	if err := b.Stop(); err != nil { // the port mapper of an earlier try
		return err
	}
	port, err := b.prepare(ctx, nodes)
	if err != nil {
		return err
	}
	b.Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := b.launch(); err != nil {
		return err
	}
	if err := b.process.waitFor(ctx, b.answers); err != nil {
		return fmt.Errorf("rabbitmq-server: %w\n%s", err, tail(b.path("output")))
	}
	return nil
}

// certificates makes sure that the broker and all its clients have one.
func (b *Broker) certificates(nodes []string) error {
	if err := serverPair(b.ca, b.path("server"), b.ServerName); err != nil {
		return err
	}
	if err := servicePair(b.ca, b.path("clients", hardening.BrokerController), hardening.BrokerController); err != nil {
		return err
	}
	for _, id := range nodes {
		if err := nodePair(b.ca, b.path("clients", pki.NodePrefix+id), id); err != nil {
			return err
		}
	}
	return nil
}

// prepare writes everything that the broker reads, and returns its port.
func (b *Broker) prepare(ctx context.Context, nodes []string) (int, error) {
	var ports [3]int
	for i := range ports {
		port, err := freePort(ctx)
		if err != nil {
			return 0, err
		}
		ports[i] = port
	}
	for _, dir := range []string{"home", "data", "log", "definitions"} {
		if err := os.MkdirAll(b.path(dir), 0o700); err != nil {
			return 0, err
		}
	}
	config := hardening.BrokerConfig{
		Bind: netip.MustParseAddr("127.0.0.1"), Port: ports[0], CA: b.CA,
		Cert: b.path("server", pki.PairCert), Key: b.path("server", pki.PairKey),
		Definitions: b.definitions(), LogDir: b.path("log"),
	}
	files := map[string]string{
		"rabbitmq.conf":     config.Render(),
		"enabled_plugins":   hardening.BrokerPlugins,
		"rabbitmq-env.conf": "",
		"output":            "",
	}
	for name, text := range files {
		if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
			return 0, err
		}
	}
	if err := b.writeDefinitions(nodes); err != nil {
		return 0, err
	}
	b.nodes = slices.Clone(nodes) // nobody else has the broker yet
	b.env = b.environment(ports[1], ports[2])
	return ports[0], b.own("home", "data", "log", "server", "definitions", "rabbitmq.conf", "enabled_plugins", "rabbitmq-env.conf", "output")
}

func (b *Broker) definitions() string { return b.path("definitions", "definitions.json") }

func (b *Broker) writeDefinitions(nodes []string) error {
	if err := os.WriteFile(b.definitions(), hardening.BrokerDefinitions(nodes), 0o600); err != nil {
		return err
	}
	return b.who.own(b.definitions())
}

// environment keeps everything of the broker in its directory and on loopback.
func (b *Broker) environment(epmd, distribution int) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"LANG=C.UTF-8",
		"HOME=" + b.path("home"),
		"RUNNING_UNDER_SYSTEMD=1", // the script becomes the broker, and signals reach it
		"RABBITMQ_NODENAME=cairn@localhost",
		"RABBITMQ_CONF_ENV_FILE=" + b.path("rabbitmq-env.conf"),
		"RABBITMQ_CONFIG_FILE=" + b.path("rabbitmq.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + b.path("enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + b.path("data"),
		"RABBITMQ_LOG_BASE=" + b.path("log"),
		"RABBITMQ_PID_FILE=" + b.path("data", "pid"),
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(distribution),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=" + hardening.BrokerErlang + " " + hardening.BrokerDistribution,
		"RABBITMQ_CTL_ERL_ARGS=" + hardening.BrokerErlang + " " + hardening.BrokerDistribution,
		"ERL_EPMD_PORT=" + strconv.Itoa(epmd),
		"ERL_EPMD_ADDRESS=127.0.0.1",
	}
}

// launch starts the port mapper and the broker. The mapper is a child of ours
// rather than the daemon that Erlang would leave behind.
func (b *Broker) launch() error {
	// Both outlive the context of their start.
	ctx := context.Background()
	epmd := b.command(ctx, "epmd")
	var err error
	if b.epmd, err = start(epmd); err != nil {
		return err
	}
	out, err := os.OpenFile(b.path("output"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	broker := b.command(ctx, filepath.Join(brokerBin, "rabbitmq-server"))
	broker.Stdout, broker.Stderr = out, out
	b.process, err = start(broker)
	return err
}

func (b *Broker) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := b.who.command(ctx, name, args...)
	cmd.Dir, cmd.Env = b.path("home"), b.env
	return cmd
}

// answers tells whether the controller can log in.
func (b *Broker) answers(context.Context) error {
	c, err := b.Dial(b.Controller())
	if err != nil {
		return err
	}
	return c.Close()
}

// Dial logs in as the account.
func (b *Broker) Dial(a Account) (*amqp.Connection, error) {
	config, err := clientTLS(b.ca, filepath.Dir(a.Cert), b.ServerName)
	if err != nil {
		return nil, err
	}
	return amqp.DialConfig("amqps://"+b.Address, amqp.Config{
		Vhost: b.VHost, TLSClientConfig: config, SASL: []amqp.Authentication{&amqp.ExternalAuth{}},
		Heartbeat: 10 * time.Second, Locale: "en_US",
	})
}

// Controller is the controller's account.
func (b *Broker) Controller() Account { return b.account(hardening.BrokerController) }

// Node is the account of the node with the id.
func (b *Broker) Node(id string) Account { return b.account(pki.NodePrefix + id) }

func (b *Broker) account(user string) Account {
	return Account{
		User: user,
		Cert: b.path("clients", user, pki.PairCert), Key: b.path("clients", user, pki.PairKey),
	}
}

// SetNodes gives accounts and certificates to these nodes, while the broker
// runs. Accounts of others stay until the broker's next start in an empty
// directory: importing definitions only ever adds. It takes some seconds,
// nearly all of them to start rabbitmqctl.
func (b *Broker) SetNodes(ctx context.Context, ids []string) error {
	b.accounts.Lock()
	defer b.accounts.Unlock()
	return b.setNodes(ctx, ids)
}

// AddNodes is SetNodes for the nodes that there are and these.
func (b *Broker) AddNodes(ctx context.Context, ids ...string) error {
	b.accounts.Lock()
	defer b.accounts.Unlock()
	all := slices.Clone(b.nodes)
	for _, id := range ids {
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	if len(all) == len(b.nodes) {
		return nil
	}
	return b.setNodes(ctx, all)
}

func (b *Broker) setNodes(ctx context.Context, ids []string) error {
	if err := b.certificates(ids); err != nil {
		return fmt.Errorf("set broker accounts: %w", err)
	}
	if err := b.writeDefinitions(ids); err != nil {
		return fmt.Errorf("set broker accounts: %w", err)
	}
	ctl := b.command(ctx, filepath.Join(brokerBin, "rabbitmqctl"), "import_definitions", b.definitions())
	if out, err := ctl.CombinedOutput(); err != nil {
		return fmt.Errorf("set broker accounts: rabbitmqctl: %w\n%s", err, out)
	}
	b.nodes = slices.Clone(ids)
	return nil
}

// Stop ends the broker and its port mapper. Its data stays.
func (b *Broker) Stop() error {
	var errs []error
	for _, p := range []*process{b.process, b.epmd} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	return errors.Join(errs...)
}
