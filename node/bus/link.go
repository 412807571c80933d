package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// heartbeat is how often either side shows that it lives; two missing
	// ones end a connection.
	heartbeat = 10 * time.Second
	// dialTimeout bounds TCP, TLS and AMQP handshakes together. It is long
	// because a broker that starts under emulation is slow.
	dialTimeout = 30 * time.Second
)

// errWaiting is the state before the first attempt has ended.
var errWaiting = errors.New("broker: not connected yet")

// A link keeps one connection to the broker alive until it is closed.
type link struct {
	cfg   Config
	log   *slog.Logger
	setUp func(*amqp.Channel) error // declares the topology; nil: nothing to declare

	stop context.CancelFunc
	done chan struct{} // closed when keep has returned

	mu    sync.Mutex // guards what follows
	conn  *amqp.Connection
	user  string
	err   error         // why conn is nil
	ready chan struct{} // closed while conn is set or the link is closed
	ended bool
}

// newLink starts to connect and returns at once. It fails when the files of
// cfg cannot be used.
func newLink(ctx context.Context, cfg Config, setUp func(*amqp.Channel) error) (*link, error) {
	if _, _, err := cfg.tls(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &link{
		cfg: cfg, log: cfg.logger(), setUp: setUp,
		stop: stop, done: make(chan struct{}),
		err: errWaiting, ready: make(chan struct{}),
	}
	go l.keep(ctx)
	return l, nil
}

// keep connects again and again until ctx ends.
func (l *link) keep(ctx context.Context) {
	defer close(l.done)
	wait := time.Second
	for ctx.Err() == nil {
		conn, user, err := l.connect(ctx)
		if err != nil {
			l.failed(err)
			l.log.Warn("waiting for the message broker", "address", l.cfg.Address, "again_in", wait, "error", err)
			if pause(ctx, wait) != nil {
				return
			}
			wait = min(2*wait, longestPause)
			continue
		}
		wait = time.Second
		lost := conn.NotifyClose(make(chan *amqp.Error, 1))
		l.connected(conn, user)
		l.log.Info("connected to the message broker", "address", l.cfg.Address, "account", user)
		select {
		case why := <-lost:
			if why == nil {
				why = amqp.ErrClosed
			}
			l.failed(fmt.Errorf("broker: connection to %s lost: %w", l.cfg.Address, why))
			l.log.Warn("lost the message broker", "address", l.cfg.Address, "error", why)
		case <-ctx.Done():
			if err := conn.Close(); err != nil && !errors.Is(err, amqp.ErrClosed) {
				l.log.Debug("close the connection to the message broker", "error", err)
			}
		}
	}
}

// connect makes one connection and declares the topology.
func (l *link) connect(ctx context.Context) (*amqp.Connection, string, error) {
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: heartbeat}
	conn, user, err := l.cfg.dial(func(network, addr string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return c, c.SetDeadline(time.Now().Add(dialTimeout))
	})
	if err != nil || l.setUp == nil {
		return conn, user, err
	}
	ch, err := conn.Channel()
	if err == nil {
		err = errors.Join(l.setUp(ch), ch.Close())
	}
	if err != nil {
		conn.Close()
		return nil, "", fmt.Errorf("broker: declare queues: %w", err)
	}
	return conn, user, nil
}

func (l *link) connected(conn *amqp.Connection, user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn, l.user, l.err = conn, user, nil
	if !l.ended { // Close has closed ready, and conn is being closed
		close(l.ready)
	}
}

func (l *link) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil && !l.ended {
		l.ready = make(chan struct{})
	}
	l.conn, l.err = nil, err
}

// channel opens a channel, waiting for the connection as long as ctx allows.
// The second result is our account's name.
func (l *link) channel(ctx context.Context) (*amqp.Channel, string, error) {
	for {
		l.mu.Lock()
		conn, user, ready, ended, why := l.conn, l.user, l.ready, l.ended, l.err
		l.mu.Unlock()
		if ended {
			return nil, "", ErrClosed
		}
		if conn != nil && !conn.IsClosed() {
			ch, err := conn.Channel()
			if err != nil {
				return nil, "", fmt.Errorf("broker: open a channel: %w", err)
			}
			return ch, user, nil
		}
		if conn != nil { // keep has not noticed yet
			if err := pause(ctx, 10*time.Millisecond); err != nil {
				return nil, "", err
			}
			continue
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, "", fmt.Errorf("%w (%w)", context.Cause(ctx), why)
		}
	}
}

// Connected tells nil while the broker can be reached, else why not.
func (l *link) Connected() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return ErrClosed
	}
	return l.err
}

// Close ends the connection and waits until it has ended.
func (l *link) Close() error {
	l.mu.Lock()
	first := !l.ended
	l.ended = true
	if first && l.conn == nil {
		close(l.ready)
	}
	l.mu.Unlock()
	l.stop()
	<-l.done
	return nil
}
