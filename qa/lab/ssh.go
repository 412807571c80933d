package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// operator is the account that a rack's key opens.
const operator = "cairn"

// A shell runs commands on a machine as the operator.
type shell struct {
	dir  string // of the rack: its key, and the host keys seen so far
	port int    // of 127.0.0.1
}

// run runs a command and returns what it prints. Output that was there before
// an error comes with it.
func (s shell) run(ctx context.Context, command string) ([]byte, error) {
	return s.tell(ctx, command, "")
}

// tell does so with something for the command to read.
func (s shell) tell(ctx context.Context, command, input string) ([]byte, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	// Closing breaks off what is under way; there is nothing left to say then.
	hangUp := func() { _ = c.Close() }
	defer hangUp()
	stop := context.AfterFunc(ctx, hangUp)
	defer stop()
	session, err := c.NewSession()
	if err != nil {
		return nil, fmt.Errorf("ssh: %w", err)
	}
	defer func() { _ = session.Close() }() // says only that the other side was first
	var out, messages bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = strings.NewReader(input), &out, &messages
	if err := session.Run(command); err != nil {
		return out.Bytes(), fmt.Errorf("ssh: %s: %w: %s", command, err, bytes.TrimSpace(messages.Bytes()))
	}
	return out.Bytes(), nil
}

func (s shell) dial(ctx context.Context) (*ssh.Client, error) {
	raw, err := os.ReadFile(filepath.Join(s.dir, keyFile))
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("ssh: %s: %w", keyFile, err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", s.port)
	dialer := net.Dialer{Timeout: time.Minute}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("ssh: %w", err)
	}
	greeted, err := greeting(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("ssh: %w", err)
	}
	c, chans, reqs, err := ssh.NewClientConn(greeted, address, &ssh.ClientConfig{
		User: operator, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: s.known,
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("ssh: %w", err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(fmt.Errorf("ssh: %w", err), c.Close())
	}
	return ssh.NewClient(c, chans, reqs), nil
}

// A machine that takes connections greets at once; what follows is work for
// a slow one. The gateway takes connections for machines that are not there.
const (
	greetingWithin = 30 * time.Second
	loginWithin    = 2 * time.Minute
)

// greeting waits for the first byte of the other side.
func greeting(conn net.Conn) (net.Conn, error) {
	if err := conn.SetDeadline(time.Now().Add(greetingWithin)); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	if _, err := in.Peek(1); err != nil {
		return nil, fmt.Errorf("no greeting: %w", err)
	}
	return peeked{conn, in}, conn.SetDeadline(time.Now().Add(loginWithin))
}

// A peeked connection has the beginning of its input in a buffer.
type peeked struct {
	net.Conn
	in *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.in.Read(b) }

// known takes the first key that a machine shows and insists on it from then
// on. The wire to it is this process's own.
func (s shell) known(host string, _ net.Addr, key ssh.PublicKey) error {
	file := filepath.Join(s.dir, knownFile)
	line := fmt.Appendf(nil, "[127.0.0.1]:%d %s", s.port, ssh.MarshalAuthorizedKey(key))
	have, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	prefix := fmt.Appendf(nil, "[127.0.0.1]:%d ", s.port)
	for l := range bytes.Lines(have) {
		if bytes.Equal(l, line) {
			return nil
		}
		if bytes.HasPrefix(l, prefix) {
			return fmt.Errorf("%s shows another key than before; %s has the old one", host, file)
		}
	}
	return os.WriteFile(file, append(have, line...), 0o600)
}
