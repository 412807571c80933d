package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/node/spec"
	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
)

// quorum makes a queue that survives the loss of a broker. The delivery limit
// is out of reach, since the default of RabbitMQ 4 would drop a message that
// a crashing reader has seen twenty times.
func quorum() amqp.Table {
	return amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-delivery-limit": int32(1_000_000)}
}

// declare makes the parts of the topology that do not belong to one node.
func declare(ch *amqp.Channel) error {
	for _, name := range []string{exchangeDesired, exchangeReports} {
		if err := ch.ExchangeDeclare(name, amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
			return fmt.Errorf("exchange %s: %w", name, err)
		}
	}
	if _, err := ch.QueueDeclare(queueReports, true, false, false, false, quorum()); err != nil {
		return fmt.Errorf("queue %s: %w", queueReports, err)
	}
	if err := ch.QueueBind(queueReports, keyReports, exchangeReports, false, nil); err != nil {
		return fmt.Errorf("bind queue %s: %w", queueReports, err)
	}
	return nil
}

// DialController returns the controller's end over RabbitMQ. It does not wait
// for the broker, and connects again for ever. Close ends it.
func DialController(ctx context.Context, cfg Config) (Controller, error) {
	l, err := newLink(ctx, cfg, declare)
	if err != nil {
		return nil, err
	}
	return &amqpController{link: l, out: newPublisher(l), calls: map[string]call{}}, nil
}

type amqpController struct {
	*link
	out *publisher

	mu    sync.Mutex // guards calls
	calls map[string]call
}

// A call waits for the reply of one node.
type call struct {
	node   string
	answer chan spec.Reply // of capacity 1
}

func (c *amqpController) EnsureNode(ctx context.Context, node string) error {
	ch, _, err := c.channel(ctx)
	if err != nil {
		return fmt.Errorf("make the queue of node %s: %w", node, err)
	}
	defer ch.Close()
	if _, err := ch.QueueDeclare(queueOf(node), true, false, false, false, quorum()); err != nil {
		return fmt.Errorf("make the queue of node %s: %w", node, err)
	}
	if err := ch.QueueBind(queueOf(node), node, exchangeDesired, false, nil); err != nil {
		return fmt.Errorf("bind the queue of node %s: %w", node, err)
	}
	return nil
}

func (c *amqpController) Publish(ctx context.Context, node string, d spec.Desired) error {
	return c.out.send(ctx, letter{exchange: exchangeDesired, key: node, kind: kindDesired, body: d})
}

func (c *amqpController) Call(ctx context.Context, node string, r spec.Request) (spec.Reply, error) {
	if r.ID == "" {
		r.ID = uuid.NewString()
	}
	m := letter{exchange: exchangeDesired, key: node, kind: kindRequest, body: r}
	if end, ok := ctx.Deadline(); ok {
		m.ttl = time.Until(end)
	}
	answer := make(chan spec.Reply, 1)
	c.mu.Lock()
	c.calls[r.ID] = call{node: node, answer: answer}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.calls, r.ID)
		c.mu.Unlock()
	}()
	if err := c.out.send(ctx, m); err != nil {
		return spec.Reply{}, err
	}
	select {
	case a := <-answer:
		return a, nil
	case <-c.done:
		return spec.Reply{}, ErrClosed
	case <-ctx.Done():
		return spec.Reply{}, fmt.Errorf("ask node %s for %s: %w", node, r.Op, context.Cause(ctx))
	}
}

func (c *amqpController) Run(ctx context.Context, h ControllerHandler) error {
	return consume(ctx, c.link, queueReports, func(ctx context.Context, d amqp.Delivery) error {
		err := c.take(ctx, h, d)
		return drop(c.link, d, err)
	})
}

// take hands one message on.
func (c *amqpController) take(ctx context.Context, h ControllerHandler, d amqp.Delivery) error {
	switch d.Type {
	case kindReport:
		r, err := decode[spec.Report](d)
		if err != nil {
			return err
		}
		if err := checkSender(d, r.Node); err != nil {
			return err
		}
		return h.Report(ctx, r)
	case kindHeartbeat:
		b, err := decode[spec.Heartbeat](d)
		if err != nil {
			return err
		}
		if err := checkSender(d, b.Node); err != nil {
			return err
		}
		return h.Heartbeat(ctx, b)
	case kindReply:
		r, err := decode[spec.Reply](d)
		if err != nil {
			return err
		}
		if err := checkSender(d, r.Node); err != nil {
			return err
		}
		c.answered(r)
		return nil
	}
	return poison{fmt.Errorf("type %q; allowed: %s, %s, %s", d.Type, kindReport, kindHeartbeat, kindReply)}
}

// answered gives a reply to the call that waits for it, if one still does and
// it had asked that node.
func (c *amqpController) answered(r spec.Reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w, ok := c.calls[r.ID]; ok && w.node == r.Node {
		delete(c.calls, r.ID)
		w.answer <- r
	}
}

// DialNode returns the end of the node with this id over RabbitMQ. It does
// not wait for the broker, and connects again for ever. Close ends it.
func DialNode(ctx context.Context, node string, cfg Config) (Node, error) {
	l, err := newLink(ctx, cfg, nil)
	if err != nil {
		return nil, err
	}
	return &amqpNode{link: l, id: node, out: newPublisher(l)}, nil
}

type amqpNode struct {
	*link
	id  string
	out *publisher
}

func (n *amqpNode) Run(ctx context.Context, h NodeHandler) error {
	var requests sync.WaitGroup
	defer requests.Wait()
	return consume(ctx, n.link, queueOf(n.id), func(cctx context.Context, d amqp.Delivery) error {
		switch d.Type {
		case kindDesired:
			doc, err := decode[spec.Desired](d)
			if err == nil {
				err = h.Desired(cctx, doc)
			}
			return drop(n.link, d, err)
		case kindRequest:
			doc, err := decode[spec.Request](d)
			if err == nil {
				requests.Go(func() { n.answer(ctx, h, doc) })
			}
			return drop(n.link, d, err)
		}
		return drop(n.link, d, poison{fmt.Errorf("type %q; allowed: %s, %s", d.Type, kindDesired, kindRequest)})
	})
}

// answer asks h and sends the reply. Nobody waits long for it.
func (n *amqpNode) answer(ctx context.Context, h NodeHandler, r spec.Request) {
	ctx, cancel := context.WithTimeout(ctx, worth)
	defer cancel()
	a := h.Request(ctx, r)
	a.ID, a.Node = r.ID, n.id
	if err := n.out.send(ctx, letter{exchange: exchangeReports, key: keyReports, kind: kindReply, body: a, ttl: worth}); err != nil {
		n.log.Warn("a reply was lost", "op", r.Op, "guest", r.Guest, "error", err)
	}
}

// worth is how long a heartbeat or a reply is of interest.
const worth = 30 * time.Second

func (n *amqpNode) Report(ctx context.Context, r spec.Report) error {
	r.Node = n.id
	return n.out.send(ctx, letter{exchange: exchangeReports, key: keyReports, kind: kindReport, body: r})
}

func (n *amqpNode) Heartbeat(ctx context.Context, h spec.Heartbeat) error {
	h.Node = n.id
	return n.out.send(ctx, letter{exchange: exchangeReports, key: keyReports, kind: kindHeartbeat, body: h, ttl: worth})
}

// poison wraps the reason why a message can never be taken.
type poison struct{ error }

func (p poison) Unwrap() error { return p.error }

// drop turns poison into success, with a line in the log.
func drop(l *link, d amqp.Delivery, err error) error {
	var p poison
	if !errors.As(err, &p) {
		return err
	}
	l.log.Error("dropped a message that nobody can take", "type", d.Type, "account", d.UserId, "bytes", len(d.Body), "error", p.error)
	return nil
}

// decode reads the document of a message.
func decode[T any](d amqp.Delivery) (T, error) {
	var doc T
	if err := json.Unmarshal(d.Body, &doc); err != nil {
		return doc, poison{fmt.Errorf("decode a %s: %w", d.Type, err)}
	}
	return doc, nil
}

// checkSender refuses what one node says in the name of another. The broker
// has checked that UserId is the account of the sender.
func checkSender(d amqp.Delivery, node string) error {
	if d.UserId != userOf(node) {
		return poison{fmt.Errorf("sent by account %q in the name of node %q", d.UserId, node)}
	}
	return nil
}
