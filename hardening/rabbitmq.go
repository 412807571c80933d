package hardening

import (
	"context"
	"errors"
	"io/fs"
	"strings"
)

// brokerCookie is Erlang's shared secret, kept apart from the directory that
// an image may have come with one in.
const brokerCookie = secretsDir + "/erlang-cookie"

func rabbitmq() Control {
	return Control{
		ID: "rabbitmq", Title: "The broker knows each node by its certificate and lets it touch its own queue only",
		Why:    "a compute host that is broken into must not command the others",
		Source: "SECURITY.md 1.3, Q1-Q6; Security Guide, messaging; OSSN-0096",
		Roles:  []string{Controller},
		Apply:  inOrder(keepBrokerSecrets, render(rabbitmqFiles)),
		Check:  both(rendered(rabbitmqFiles), checkBroker),
	}
}

// brokerOwnDefinitions is the broker's copy of BrokerDefinitionsFile. It does
// not depend on the mode that the controller gave to its own.
const brokerOwnDefinitions = "/var/lib/rabbitmq/definitions.json"

const takeDefinitions = "ExecStartPre=+/usr/bin/install -m 0640 -o rabbitmq -g rabbitmq " +
	BrokerDefinitionsFile + " " + brokerOwnDefinitions + "\n"

// keepBrokerSecrets makes the cookie, and the accounts of a broker that has
// none yet. Later the controller writes them.
func keepBrokerSecrets(_ context.Context, t *Target) error {
	if err := t.keepSecret(brokerCookie, "root"); err != nil {
		return err
	}
	data, err := t.read(BrokerDefinitionsFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0:
		data = BrokerDefinitions(nil)
	case err != nil:
		return err
	}
	// No secret in it: accounts are names, and log in by certificate.
	return t.write(File{Path: BrokerDefinitionsFile, Text: string(data), Owner: controllerUser})
}

func rabbitmqFiles(t *Target) ([]File, error) {
	cookie, err := t.secret(brokerCookie)
	if err != nil {
		return nil, err
	}
	config := BrokerConfig{
		Bind: t.Node.management(), Port: BrokerPort,
		CA:   PKIDir + "/ca.crt",
		Cert: PKIDir + "/rabbitmq/tls.crt", Key: PKIDir + "/rabbitmq/tls.key",
		Definitions: brokerOwnDefinitions, LogDir: "/var/log/rabbitmq",
	}
	return []File{
		{Path: "/etc/rabbitmq/rabbitmq.conf", Text: config.Render()},
		{Path: "/etc/rabbitmq/rabbitmq-env.conf", Text: brokerEnvironment},
		{Path: "/etc/rabbitmq/enabled_plugins", Text: BrokerPlugins},
		{Path: "/var/lib/rabbitmq/.erlang.cookie", Text: cookie, Mode: 0o400, Owner: "rabbitmq", Secret: true},
		{Path: unitDir + "/rabbitmq-server.service", Text: rabbitmqUnit},
		{Path: unitDir + "/cairn-broker-accounts.service", Text: brokerAccountsUnit},
		{Path: unitDir + "/cairn-broker-accounts.path", Text: brokerAccountsPath},
	}, nil
}

// brokerEnvironment is read by the broker's scripts and its command line
// tools. The node's name does not depend on the machine's.
const brokerEnvironment = `NODENAME=cairn@localhost
ERL_EPMD_ADDRESS=127.0.0.1
SERVER_ADDITIONAL_ERL_ARGS="` + BrokerErlang + ` ` + BrokerDistribution + `"
CTL_ERL_ARGS="` + BrokerErlang + ` ` + BrokerDistribution + `"
`

// checkBroker compares the live accounts with the file, and looks for what
// must not be there.
func checkBroker(ctx context.Context, t *Target) []Finding {
	users := Finding{Item: "broker accounts", Wanted: "controller and nodes, without passwords"}
	out, err := run(ctx, "rabbitmqctl", "--quiet", "--no-table-headers", "list_users")
	var strangers []string
	for line := range strings.Lines(out) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if name != "" && name != BrokerController && !strings.HasPrefix(name, "node-") {
			strangers = append(strangers, name)
		}
	}
	users.OK = err == nil && len(strangers) == 0
	users.Found = orDefault(strings.Join(strangers, " "), users.Wanted)
	if err != nil {
		users.Found = err.Error()
	}
	return []Finding{users}
}

// rabbitmqUnit replaces the package's unit. Erlang's compiler makes code at
// run time, so memory may be writable and executable.
const rabbitmqUnit = `[Unit]
Description=RabbitMQ, messages between controller and nodes
DefaultDependencies=no
RequiresMountsFor=/var /run
After=local-fs.target systemd-tmpfiles-setup.service systemd-sysctl.service systemd-journald.socket
Conflicts=shutdown.target
Before=shutdown.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
User=rabbitmq
Group=rabbitmq
WorkingDirectory=/var/lib/rabbitmq
Environment=HOME=/var/lib/rabbitmq LANG=C.UTF-8
` + takeDefinitions + `ExecStart=/usr/lib/rabbitmq/bin/rabbitmq-server
SuccessExitStatus=143
Restart=always
RestartSec=5
TimeoutStartSec=20min
TimeoutStopSec=5min
UMask=0027
LimitNOFILE=65536
LimitCORE=0
OOMScoreAdjust=-500
` + sandbox + `ReadWritePaths=/var/lib/rabbitmq /var/log/rabbitmq
CapabilityBoundingSet=
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
`

// The unit waits for a broker that is starting, and does nothing for one that
// is down: that reads the file at its start. systemd does not see a change of
// the file while the unit runs: the comparison at its end does, and has it run
// again, directly: that is no failure, and nobody is told of one.
const brokerAccountsUnit = `[Unit]
Description=Give the broker's accounts to the nodes that are registered
After=rabbitmq-server.service
StartLimitIntervalSec=0

[Service]
Type=oneshot
User=rabbitmq
Group=rabbitmq
Environment=HOME=/var/lib/rabbitmq LANG=C.UTF-8
Environment="RABBITMQ_CTL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none"
ExecCondition=/usr/bin/systemctl is-active --quiet rabbitmq-server.service
` + takeDefinitions + `ExecStart=/usr/lib/rabbitmq/bin/rabbitmqctl import_definitions ` + brokerOwnDefinitions + `
ExecStartPost=+/usr/bin/cmp -s ` + BrokerDefinitionsFile + ` ` + brokerOwnDefinitions + `
Restart=on-failure
RestartMode=direct
RestartSec=5
TimeoutStartSec=10min
LimitCORE=0
` + sandbox + `ReadWritePaths=-/var/log/rabbitmq
CapabilityBoundingSet=
PrivateDevices=yes
`

const brokerAccountsPath = `[Unit]
Description=Watch the list of the broker's accounts

[Path]
PathChanged=` + BrokerDefinitionsFile + `
`
