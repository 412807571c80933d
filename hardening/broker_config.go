package hardening

import (
	"fmt"
	"net/netip"
	"strings"
)

// BrokerPort is RabbitMQ's TLS port, the only one that it has in a cluster.
const BrokerPort = 5671

// A BrokerConfig is what differs between the brokers that BrokerConfig.Render
// configures. Every path is as the broker sees it.
type BrokerConfig struct {
	Bind        netip.Addr
	Port        int
	CA          string // file
	Cert        string // file
	Key         string // file, 0600
	Definitions string // file that [BrokerDefinitions] made
	LogDir      string
}

// BrokerPlugins is the content of enabled_plugins: logging in by certificate,
// and nothing else. In particular no management interface.
const BrokerPlugins = "[rabbitmq_auth_mechanism_ssl].\n"

// Render is rabbitmq.conf. It holds for RabbitMQ 3.10 and 4.0.
func (c BrokerConfig) Render() string {
	var b strings.Builder
	line := func(key string, value any) { fmt.Fprintf(&b, "%s = %v\n", key, value) }
	b.WriteString("# TLS only, both sides show a certificate, whose common name is the account.\n")
	line("listeners.tcp", "none")
	line("listeners.ssl.1", netip.AddrPortFrom(c.Bind, uint16(c.Port)))
	line("ssl_options.cacertfile", c.CA)
	line("ssl_options.certfile", c.Cert)
	line("ssl_options.keyfile", c.Key)
	b.WriteString(brokerFixed)
	line("load_definitions", c.Definitions)
	line("log.dir", c.LogDir)
	return b.String()
}

// brokerFixed is the same everywhere. The limits keep one node from filling
// the broker. It logs to the journal: on a slow machine its own file may not be
// open within the seconds that Erlang gives it (file_ctrl_process_not_started),
// and then the broker does not start.
const brokerFixed = `ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
ssl_options.depth = 1
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
ssl_cert_login_from = common_name
auth_mechanisms.1 = EXTERNAL
loopback_users.guest = true

vm_memory_high_watermark.relative = 0.3
disk_free_limit.absolute = 256MB
heartbeat = 30
channel_max = 64
log.file = false
log.console = true
log.console.level = info

`

// BrokerErlang are arguments of the Erlang machine: no busy waiting, which
// costs minutes where the processor is emulated and power where it is not, and
// the distribution port on loopback only.
const BrokerErlang = "+sbwt none +sbwtdcpu none +sbwtdio none"

// BrokerDistribution keeps Erlang's own protocol, which is neither encrypted
// nor limited, on the machine.
const BrokerDistribution = "-kernel inet_dist_use_interface {127,0,0,1}"
