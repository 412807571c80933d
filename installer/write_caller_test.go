package installer

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// callsWaiting is how many connections of a [caller] wait for requests.
const callsWaiting = 4

// A caller is a listener that calls its clients: the network of a machine in
// the lab lets connections in, and none out. It keeps a few open.
type caller struct {
	address string
	free    chan struct{} // one for each connection that may be opened
	closed  context.Context
	close   context.CancelFunc
}

func newCaller(port int) *caller {
	c := &caller{address: fmt.Sprintf("127.0.0.1:%d", port), free: make(chan struct{}, callsWaiting)}
	c.closed, c.close = context.WithCancel(context.Background())
	for range callsWaiting {
		c.free <- struct{}{}
	}
	return c
}

// Accept calls until somebody answers.
func (c *caller) Accept() (net.Conn, error) {
	select {
	case <-c.free:
	case <-c.closed.Done():
		return nil, net.ErrClosed
	}
	for {
		if conn, err := c.call(); err == nil {
			return conn, nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-c.closed.Done():
			return nil, net.ErrClosed
		}
	}
}

// call waits for the greeting until the caller is closed: QEMU takes every
// connection, whether somebody listens in the machine or not.
func (c *caller) call() (net.Conn, error) {
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(c.closed, func() { conn.Close() })()
	if _, err := io.ReadFull(conn, make([]byte, len(greeting))); err != nil {
		conn.Close()
		return nil, err
	}
	return &called{Conn: conn, free: c.free}, nil
}

func (c *caller) Close() error {
	c.close()
	return nil
}

func (c *caller) Addr() net.Addr { return &net.TCPAddr{} }

// A called connection makes room for another when it is closed.
type called struct {
	net.Conn
	free chan struct{}
	once sync.Once
}

func (c *called) Close() error {
	c.once.Do(func() { c.free <- struct{}{} })
	return c.Conn.Close()
}
