package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Kinds of documents, in the type property of a message.
const (
	kindDesired   = "desired"
	kindRequest   = "request"
	kindReport    = "report"
	kindHeartbeat = "heartbeat"
	kindReply     = "reply"
)

// inFlight bounds the messages that wait for their confirmation. Returned
// messages come before their confirmation and fit into a buffer of that size,
// so reading the connection is never blocked by them.
const inFlight = 64

// errNotConfirmed says that the broker refused a message or that the channel
// ended before the confirmation.
var errNotConfirmed = errors.New("broker: message was not confirmed")

// A publisher sends messages that the broker confirms.
type publisher struct {
	link  *link
	slots chan struct{}

	mu       sync.Mutex // guards what follows
	ch       *amqp.Channel
	user     string
	returns  chan amqp.Return
	returned map[string]bool // by message id, of those in flight
}

func newPublisher(l *link) *publisher {
	return &publisher{link: l, slots: make(chan struct{}, inFlight), returned: map[string]bool{}}
}

// A letter is one document on its way.
type letter struct {
	exchange, key, kind string
	body                any
	ttl                 time.Duration // 0: never worthless
}

// send returns nil when the broker has made the letter durable in at least
// one queue, ErrNoNode in the chain when there is no queue for it.
func (p *publisher) send(ctx context.Context, m letter) error {
	body, err := json.Marshal(m.body)
	if err != nil {
		return fmt.Errorf("broker: encode a %s: %w", m.kind, err)
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ch, user, err := p.channel(ctx)
	if err != nil {
		return fmt.Errorf("send a %s: %w", m.kind, err)
	}
	msg := amqp.Publishing{
		ContentType:  "application/json",
		DeliveryMode: amqp.Persistent,
		MessageId:    uuid.NewString(),
		Type:         m.kind,
		UserId:       user, // the broker refuses any other than our own
		Timestamp:    time.Now(),
		Body:         body,
	}
	if m.ttl > 0 {
		msg.Expiration = fmt.Sprint(max(1, m.ttl.Milliseconds()))
	}
	p.note(msg.MessageId)
	defer p.forget(msg.MessageId)
	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, m.exchange, m.key, true, false, msg)
	if err != nil {
		return fmt.Errorf("broker: send a %s to %s: %w", m.kind, m.key, err)
	}
	ok, err := confirm.WaitContext(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("broker: wait for the confirmation of a %s: %w", m.kind, err)
	case !ok:
		return fmt.Errorf("broker: send a %s to %s: %w", m.kind, m.key, errNotConfirmed)
	case p.wasReturned(msg.MessageId):
		return fmt.Errorf("broker: send a %s to %s: %w", m.kind, m.key, ErrNoNode)
	}
	return nil
}

// channel returns the open channel, or a new one.
func (p *publisher) channel(ctx context.Context) (*amqp.Channel, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ch != nil && !p.ch.IsClosed() {
		return p.ch, p.user, nil
	}
	ch, user, err := p.link.channel(ctx)
	if err != nil {
		return nil, "", err
	}
	returns := ch.NotifyReturn(make(chan amqp.Return, inFlight))
	if err := ch.Confirm(false); err != nil {
		ch.Close()
		return nil, "", fmt.Errorf("broker: ask for confirmations: %w", err)
	}
	p.ch, p.user, p.returns = ch, user, returns
	return ch, user, nil
}

func (p *publisher) note(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.collect()
	p.returned[id] = false
}

func (p *publisher) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.returned, id)
}

func (p *publisher) wasReturned(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.collect()
	return p.returned[id]
}

// collect takes the returned messages out of the buffer.
func (p *publisher) collect() {
	for {
		select {
		case r, ok := <-p.returns:
			if !ok {
				p.returns = nil // the channel is closed; nil is never ready
				return
			}
			if _, mine := p.returned[r.MessageId]; mine {
				p.returned[r.MessageId] = true
			}
		default:
			return
		}
	}
}
