package private

import (
	"crypto/tls"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/cairn-cloud/cairn/hardening/pki"
)

// Whom the broker refuses, which brokers a client refuses, and what a node may
// not do: Q1 to Q5 of the security notes.
func TestRabbitMQRefuses(t *testing.T) {
	if _, err := exec.LookPath("rabbitmq-server"); err != nil {
		t.Skip("rabbitmq-server is not installed; on Debian: apt-get install rabbitmq-server")
	}
	mq, err := StartRabbitMQ(t.Context(), RabbitMQOptions{Dir: filepath.Join(openDir(t), "mq"), Nodes: []string{"n1", "n2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := mq.Stop(); err != nil {
			t.Error(err)
		}
	})
	queueOfNode(t, mq, "n1")
	queueOfNode(t, mq, "n2")
	t.Run("connections", func(t *testing.T) { refusesConnections(t, mq) })
	t.Run("node", func(t *testing.T) { confinesNode(t, mq) })
	t.Run("listeners", func(t *testing.T) { listensOnTLSOnly(t, mq) })
}

func refusesConnections(t *testing.T, mq *Broker) {
	own := forge(t, filepath.Dir(mq.CA))
	show := func(c tls.Certificate) func(*amqp.Config) {
		return func(a *amqp.Config) { a.TLSClientConfig.Certificates = []tls.Certificate{c} }
	}
	server, err := tls.LoadX509KeyPair(mq.path("server", pki.PairCert), mq.path("server", pki.PairKey))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		edit func(*amqp.Config)
		want string // part of the error; empty: let in
	}{
		"nothing changed":                {nil, ""},
		"a good certificate by hand":     {show(own.client(t, "controller", nil)), ""},
		"no client certificate":          {func(a *amqp.Config) { a.TLSClientConfig.Certificates = nil }, byTLS},
		"other CA with the same subject": {show(rogue(t).client(t, "controller", nil)), byTLS},
		"expired certificate":            {show(own.client(t, "controller", expired)), byTLS},
		"certificate for servers only":   {show(own.client(t, "controller", serverOnly)), byTLS},
		"the broker's own certificate":   {show(server), byTLS},
		"TLS 1.1": {func(a *amqp.Config) {
			a.TLSClientConfig.MinVersion, a.TLSClientConfig.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
		}, byTLS},
		"certificate without an account": {show(own.client(t, "node-n3", nil)), "403"},
		"guest by certificate":           {show(own.client(t, "guest", nil)), "403"},
		"password": {func(a *amqp.Config) {
			a.SASL = []amqp.Authentication{&amqp.PlainAuth{Username: "controller", Password: ""}}
		}, "mechanism"},
		"another virtual host":                  {func(a *amqp.Config) { a.Vhost = "/" }, "530"},
		"a broker by another name, by client":   {func(a *amqp.Config) { a.TLSClientConfig.ServerName = "mariadb" }, "certificate is valid for"},
		"a broker of another CA, by the client": {func(a *amqp.Config) { a.TLSClientConfig.RootCAs = otherRoots(t) }, "unknown authority"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the broker takes its time to refuse
			config := brokerConfig(t, mq, mq.Controller())
			if test.edit != nil {
				test.edit(&config)
			}
			c, err := amqp.DialConfig("amqps://"+mq.Address, config)
			if err == nil {
				defer c.Close()
			}
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && err == nil:
				t.Error("let in")
			case test.want == byTLS:
				// The library may see first that the connection is gone, and
				// then why.
				if err := greeted(t, mq, config.TLSClientConfig); !refused(err, byTLS) {
					t.Errorf("error %q, want one with %q", err, byTLS)
				}
			case test.want != "" && !brokerRefused(err, test.want):
				t.Errorf("error %q, want one with %q", err, test.want)
			}
		})
	}
}

// byTLS is in errors of a connection that TLS refuses.
const byTLS = "tls: "

// greeted is what a connection ends with on which nothing is said.
func greeted(t *testing.T, mq *Broker, config *tls.Config) error {
	t.Helper()
	c, err := tls.Dial("tcp", mq.Address, config)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Read(make([]byte, 1)) // with TLS 1.3 the server refuses after the handshake
	return err
}

// brokerRefused is refused, for the library's own words as well.
func brokerRefused(err error, want string) bool {
	text := err.Error()
	return refused(err, want) ||
		want == "403" && strings.Contains(text, "username or password not allowed") ||
		want == "530" && strings.Contains(text, "no access to this vhost")
}

func brokerConfig(t *testing.T, mq *Broker, a Account) amqp.Config {
	t.Helper()
	config, err := clientTLS(mq.ca, filepath.Dir(a.Cert), mq.ServerName)
	if err != nil {
		t.Fatal(err)
	}
	return amqp.Config{Vhost: mq.VHost, TLSClientConfig: config, SASL: []amqp.Authentication{&amqp.ExternalAuth{}}}
}

// confinesNode tries what a node that was broken into would.
func confinesNode(t *testing.T, mq *Broker) {
	conn, err := mq.Dial(mq.Node("n1"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tests := map[string]func(*amqp.Channel) error{
		"reads the queue of another node": func(ch *amqp.Channel) error {
			_, _, err := ch.Get("node.n2", true)
			return err
		},
		"consumes the reports": func(ch *amqp.Channel) error {
			_, err := ch.Consume("reports", "", true, false, false, false, nil)
			return err
		},
		"declares a queue": func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("node.n3", true, false, false, false, nil)
			return err
		},
		"declares an exchange": func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare("desired", "direct", true, false, false, false, nil)
		},
		"deletes its own queue": func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete("node.n1", false, false, false)
			return err
		},
		"binds its queue to what is for others": func(ch *amqp.Channel) error {
			return ch.QueueBind("node.n1", "n2", "amq.direct", false, nil)
		},
		"commands another node": func(ch *amqp.Channel) error {
			closed := ch.NotifyClose(make(chan *amqp.Error, 1))
			if err := ch.PublishWithContext(t.Context(), "", "node.n2", false, false, amqp.Publishing{Body: []byte("x")}); err != nil {
				return err
			}
			select {
			case err := <-closed:
				return err
			case <-t.Context().Done():
				return nil
			case <-time.After(time.Minute):
				return nil
			}
		},
	}
	for name, try := range tests {
		t.Run(name, func(t *testing.T) {
			ch, err := conn.Channel()
			if err != nil {
				t.Fatal(err)
			}
			err = try(ch)
			var refusal *amqp.Error
			if !errors.As(err, &refusal) || refusal.Code != amqp.AccessRefused {
				t.Errorf("error %v, want 403 ACCESS_REFUSED", err)
			}
		})
	}
}

// listensOnTLSOnly asks the broker for its accounts and its listeners: Q1, Q6.
func listensOnTLSOnly(t *testing.T, mq *Broker) {
	ask := func(program string, args ...string) string {
		t.Helper()
		out, err := mq.command(t.Context(), filepath.Join(brokerBin, program), args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	users := strings.Split(strings.TrimSpace(ask("rabbitmqctl", "--quiet", "--no-table-headers", "list_users")), "\n")
	slices.Sort(users)
	if diff := cmp.Diff([]string{"controller\t[]", "node-n1\t[]", "node-n2\t[]"}, users); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	if hosts := strings.TrimSpace(ask("rabbitmqctl", "--quiet", "--no-table-headers", "list_vhosts")); hosts != mq.VHost {
		t.Errorf("virtual hosts %q, want %q", hosts, mq.VHost)
	}
	_, port, err := net.SplitHostPort(mq.Address)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(ask("rabbitmq-diagnostics", "--quiet", "listeners")) {
		own := strings.Contains(line, "protocol: clustering") // Erlang's own, and the tools'
		if !strings.Contains(line, "Interface: 127.0.0.1,") || !own && !strings.Contains(line, "port: "+port+", protocol: amqp/ssl") {
			t.Errorf("listener %q", strings.TrimSpace(line))
		}
	}
}
