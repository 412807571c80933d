package bus_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/cairn-cloud/cairn/hardening/private"
	"github.com/cairn-cloud/cairn/node/bus"
	"github.com/cairn-cloud/cairn/node/spec"
)

// testNodes are the nodes that the test broker has accounts for.
const testNodes = 32

// brokerDir is a directory that the broker's own account can reach, which
// t.TempDir is not.
func brokerDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cairn-bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "mq")
}

func startBroker(t *testing.T, o private.RabbitMQOptions) *private.Broker {
	t.Helper()
	if _, err := exec.LookPath("rabbitmq-server"); err != nil {
		t.Skip("rabbitmq-server is not installed; on Debian: apt-get install rabbitmq-server")
	}
	mq, err := private.StartRabbitMQ(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return mq
}

func config(t *testing.T, mq *private.Broker, a private.Account) bus.Config {
	return bus.Config{
		Address: mq.Address, ServerName: mq.ServerName, VHost: mq.VHost, CA: mq.CA,
		Cert: a.Cert, Key: a.Key,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func dialController(t *testing.T, mq *private.Broker) bus.Controller {
	t.Helper()
	c, err := bus.DialController(t.Context(), config(t, mq, mq.Controller()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func dialNode(t *testing.T, mq *private.Broker, id string) bus.Node {
	t.Helper()
	n, err := bus.DialNode(t.Context(), id, config(t, mq, mq.Node(id)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func TestAMQP(t *testing.T) {
	var ids []string
	for i := range testNodes {
		ids = append(ids, fmt.Sprint("n", i))
	}
	dir := brokerDir(t)
	mq := startBroker(t, private.RabbitMQOptions{Dir: dir, Nodes: ids})
	t.Cleanup(func() { mq.Stop() })

	conform(t, func(t *testing.T) fabric {
		if len(ids) < 2 {
			t.Fatalf("testNodes is %d, too few", testNodes)
		}
		pair := ids[:2]
		ids = ids[2:]
		return fabric{
			controller: func(t *testing.T) bus.Controller { return dialController(t, mq) },
			node:       func(t *testing.T, id string) bus.Node { return dialNode(t, mq, id) },
			nodes:      pair,
		}
	})
	t.Run("a node cannot speak for another", func(t *testing.T) { speakForAnother(t, mq, ids[0], ids[1]) })
	t.Run("a broker with another name is refused", func(t *testing.T) { otherName(t, mq) })
	t.Run("both ends come back after a cut", func(t *testing.T) { comesBack(t, mq, ids[2]) })
}

// speakForAnother sends what a broken-into node could send.
func speakForAnother(t *testing.T, mq *private.Broker, bad, victim string) {
	c := dialController(t, mq)
	ensure(t, c, bad, victim)
	fc := newControllerFake()
	run(t, func(ctx context.Context) error { return c.Run(ctx, fc) })

	conn, err := mq.Dial(mq.Node(bad))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := fmt.Appendf(nil, `{"node":%q,"id":"s1","state":"gone","generation":9}`, victim)
	for _, m := range []amqp.Publishing{
		{Type: "report", UserId: "node-" + bad, Body: body},
		{Type: "report", Body: body},
		{Type: "report", UserId: "node-" + bad, Body: []byte("{")},
		{Type: "order", UserId: "node-" + bad, Body: body},
	} {
		ch, err := conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		if err := ch.PublishWithContext(t.Context(), "reports", "reports", true, false, m); err != nil {
			t.Fatal(err)
		}
		ch.Close()
	}
	if err := dialNode(t, mq, bad).Report(ctxFor(t), spec.Report{ID: "honest"}); err != nil {
		t.Fatal(err)
	}
	if r := receive(t, "report", fc.reports); r.ID != "honest" || r.Node != bad {
		t.Errorf("got %+v, want the honest one alone", r)
	}

	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	if err := ch.PublishWithContext(t.Context(), "reports", "reports", true, false, amqp.Publishing{Type: "report", UserId: "node-" + victim, Body: body}); err != nil {
		t.Fatal(err)
	}
	if why := receive(t, "refusal by the broker", closed); why == nil || why.Code != amqp.PreconditionFailed {
		t.Errorf("got %v, want code %d", why, amqp.PreconditionFailed)
	}
	ch, err = conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.Consume("node."+victim, "", false, false, false, false, nil); err == nil || !strings.Contains(err.Error(), "ACCESS_REFUSED") {
		t.Errorf("reading the queue of another: got %v, want ACCESS_REFUSED", err)
	}
}

func otherName(t *testing.T, mq *private.Broker) {
	cfg := config(t, mq, mq.Controller())
	cfg.ServerName = "mariadb"
	c, err := bus.DialController(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for {
		err := c.Connected()
		if err == nil {
			t.Fatal("connected to a broker with another name")
		}
		if _, ok := errors.AsType[x509.HostnameError](err); ok {
			return
		}
		if t.Context().Err() != nil {
			t.Fatalf("got %v, want a host name error", err)
		}
	}
}

// comesBack cuts the connections of both ends while they are in use.
func comesBack(t *testing.T, mq *private.Broker, id string) {
	way := newCutter(t, mq.Address)
	cc, cn := config(t, mq, mq.Controller()), config(t, mq, mq.Node(id))
	cc.Address, cn.Address = way.address, way.address
	c, err := bus.DialController(t.Context(), cc)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ensure(t, c, id)
	n, err := bus.DialNode(t.Context(), id, cn)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	fc, fn := newControllerFake(), newNodeFake()
	run(t, func(ctx context.Context) error { return c.Run(ctx, fc) })
	run(t, func(ctx context.Context) error { return n.Run(ctx, fn) })
	for round := range 3 {
		name := fmt.Sprint("round", round)
		retry(t, func(ctx context.Context) error { return c.Publish(ctx, id, spec.Desired{ID: name}) })
		for receive(t, "desired state", fn.desired).ID != name {
		}
		retry(t, func(ctx context.Context) error { return n.Report(ctx, spec.Report{ID: name}) })
		for receive(t, "report", fc.reports).ID != name {
		}
		way.cut()
	}
}

// A cutter is a way to the broker that can be cut.
type cutter struct {
	address string

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

func newCutter(t *testing.T, to string) *cutter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{address: l.Addr().String()}
	t.Cleanup(func() { l.Close(); c.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			c.mu.Lock()
			c.conns = append(c.conns, in, out)
			c.mu.Unlock()
			go copyThen(in, out)
			go copyThen(out, in)
		}
	}()
	return c
}

func copyThen(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

// retry does what the users of a bus do: again until it is confirmed.
func retry(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx := ctxFor(t)
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}
