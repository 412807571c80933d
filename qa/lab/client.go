package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// A client talks to the supervisor of a rack.
type client struct {
	dir  string
	http *http.Client
}

func newClient(dir string) *client {
	c := &client{dir: dir}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		DisableKeepAlives: true,
	}}
	return c
}

func (c *client) dial(ctx context.Context) (net.Conn, error) {
	d, err := os.Open(c.dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var dialer net.Dialer
	return dialer.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), socketFile))
}

// errDown means that no supervisor answers.
var errDown = errors.New("the rack is down")

// do asks the supervisor and decodes its answer into out, unless that is nil.
func (c *client) do(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://rack"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", errDown, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var fault struct {
			Error string `json:"error"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&fault); err != nil {
			return fmt.Errorf("supervisor: %s", resp.Status)
		}
		return errors.New(fault.Error)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	return nil
}

func (c *client) status(ctx context.Context) (*Status, error) {
	var s Status
	return &s, c.do(ctx, http.MethodGet, "/status", nil, &s)
}

func (c *client) power(ctx context.Context, machine, action string) error {
	return c.do(ctx, http.MethodPost, "/machines/"+machine+"/"+action, nil, nil)
}

// console opens a machine's serial line.
func (c *client) console(ctx context.Context, machine string) (io.ReadWriteCloser, error) {
	return c.line(ctx, machine, "console")
}

// line opens what a machine has that is no question and answer: its console
// or its bmc.
func (c *client) line(ctx context.Context, machine, what string) (io.ReadWriteCloser, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDown, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://rack/machines/"+machine+"/"+what, nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if err := req.Write(conn); err != nil {
		conn.Close()
		return nil, err
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, req) //nolint:bodyclose // of the answer that is wanted, the body is the line itself
	if err != nil {
		conn.Close()
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer conn.Close()
		text, err := io.ReadAll(resp.Body)
		return nil, errors.Join(fmt.Errorf("%s of %s: %s", what, machine, bytes.TrimSpace(text)), err)
	}
	return struct {
		io.Reader
		io.WriteCloser
	}{in, conn}, nil
}
