package lab

import "net"

// A door is a listener whose connections come from elsewhere.
type door struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newDoor() *door { return &door{make(chan net.Conn), make(chan struct{})} }

func (d *door) enter(c net.Conn) {
	select {
	case d.conns <- c:
	case <-d.closed:
		c.Close()
	}
}

// Accept waits for the next connection.
func (d *door) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Close lets nobody in any more. It is called once, by the server.
func (d *door) Close() error {
	close(d.closed)
	return nil
}

// Addr is of no network.
func (d *door) Addr() net.Addr { return &net.UnixAddr{Name: "bmc", Net: "unix"} }
