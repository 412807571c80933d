package bus

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// prefetch is how many messages the broker gives a consumer ahead.
const prefetch = 32

// consume hands the messages of a queue to take until ctx ends; it connects
// and opens the queue again as often as needed. A message is acknowledged
// after take has returned nil.
func consume(ctx context.Context, l *link, queue string, take func(context.Context, amqp.Delivery) error) error {
	wait := time.Second
	for {
		began := time.Now()
		err := consumeOnce(ctx, l, queue, take)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if l.Connected() == ErrClosed { //nolint:errorlint // Connected returns it bare
			return ErrClosed
		}
		if time.Since(began) > longestPause {
			wait = time.Second
		}
		l.log.Warn("waiting for the queue", "queue", queue, "again_in", wait, "error", err)
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, longestPause)
	}
}

// consumeOnce does it on one channel and returns why that ended.
func consumeOnce(ctx context.Context, l *link, queue string, take func(context.Context, amqp.Delivery) error) error {
	ch, _, err := l.channel(ctx)
	if err != nil {
		return err
	}
	defer ch.Close()
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return fmt.Errorf("broker: bound the messages ahead: %w", err)
	}
	in, err := ch.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("broker: read queue %s: %w", queue, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	over := make(chan error, 1)
	go func() {
		defer cancel() // a handler that waits must not outlive the channel
		select {
		case why := <-closed:
			if why == nil {
				why = amqp.ErrClosed
			}
			over <- why
		case <-ctx.Done():
			over <- context.Cause(ctx)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return <-over
		case d, ok := <-in:
			if !ok {
				cancel()
				return <-over
			}
			if err := persist(ctx, 100*time.Millisecond, func() error { return logged(l.log, queue, take(ctx, d)) }); err != nil {
				return <-over
			}
			if err := d.Ack(false); err != nil {
				return fmt.Errorf("broker: acknowledge: %w", err)
			}
		}
	}
}

func logged(log *slog.Logger, queue string, err error) error {
	if err != nil {
		log.Warn("a message could not be taken; trying again", "queue", queue, "error", err)
	}
	return err
}
