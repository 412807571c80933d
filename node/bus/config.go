package bus

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Names of what is in the broker. They are part of the accounts' permissions
// (see package hardening).
const (
	exchangeDesired = "desired" // direct: routing key is the node's id
	exchangeReports = "reports" // direct: routing key is keyReports
	keyReports      = "reports"
	queueReports    = "reports"
)

// queueOf is the name of a node's queue.
func queueOf(node string) string { return "node." + node }

// userOf is the broker's account of a node: the common name of its
// certificate.
func userOf(node string) string { return "node-" + node }

// Config says where the broker is and who we are. Files are read at every
// connection, so a renewed certificate is used from the next one on.
type Config struct {
	Address    string // host:port of the TLS listener
	ServerName string // a name in the broker's certificate; empty: the host of Address
	VHost      string
	CA         string // file: PEM certificates of the cluster's CA
	Cert, Key  string // files: our client certificate, its common name is our account
	Log        *slog.Logger
}

func (c *Config) logger() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

// tls reads the files. The second result is our account's name.
func (c *Config) tls() (*tls.Config, string, error) {
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, "", fmt.Errorf("broker: read the CA certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, "", fmt.Errorf("broker: CA certificate %s holds no PEM certificate", c.CA)
	}
	own, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, "", fmt.Errorf("broker: read our certificate: %w", err)
	}
	name := c.ServerName
	if name == "" {
		if name, _, err = net.SplitHostPort(c.Address); err != nil {
			return nil, "", fmt.Errorf("broker: address %q; allowed: host:port: %w", c.Address, err)
		}
	}
	return &tls.Config{
		ServerName:   name,
		RootCAs:      roots,
		Certificates: []tls.Certificate{own},
		MinVersion:   tls.VersionTLS12,
	}, own.Leaf.Subject.CommonName, nil
}

// url is the address as amqp091-go wants it. The account and the virtual host
// are given apart from it.
func (c *Config) url() string {
	return (&url.URL{Scheme: "amqps", Host: c.Address, Path: "/"}).String()
}

// dial makes one connection. The second result is our account's name.
func (c *Config) dial(d func(network, addr string) (net.Conn, error)) (*amqp.Connection, string, error) {
	tc, user, err := c.tls()
	if err != nil {
		return nil, "", err
	}
	conn, err := amqp.DialConfig(c.url(), amqp.Config{
		SASL:            []amqp.Authentication{&amqp.ExternalAuth{}},
		Vhost:           c.VHost,
		TLSClientConfig: tc,
		Heartbeat:       heartbeat,
		Dial:            d,
		Properties:      amqp.Table{"connection_name": "cairn " + user},
	})
	if err != nil {
		return nil, "", fmt.Errorf("broker: connect to %s as %s: %w", c.Address, user, err)
	}
	return conn, user, nil
}
