// Package operate is the operator's end of a deployer: the machines of the
// rack in a terminal, and what a person may tell them.
//
// The deployer leaves what an operator needs in one directory: the cluster's
// CA, a client certificate, and where it listens. It may import pxe/fleet and
// pxe/fabric.
package operate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-cloud/cairn/pxe/fabric"
	"github.com/cairn-cloud/cairn/pxe/fleet"
)

// Files of the operator's directory.
const (
	CAFile      = "ca.crt"
	CertFile    = "operator.crt"
	KeyFile     = "operator.key"
	AddressFile = "deployer" // host:port
	TokenFile   = "page-token"
)

// DefaultDir is where an installed controller has them, for the operator.
const DefaultDir = "/var/lib/cairn/deploy-operator"

// serverName is what a deployer's certificate is for.
const serverName = "deployer"

// maxAnswer bounds an answer, in bytes: thousands of machines with all their
// parts.
const maxAnswer = 256 << 20

// A Client speaks to one deployer.
type Client struct {
	base string
	http *http.Client
}

// Open reads the operator's directory. deployer, host:port, overrules the one
// that is written there.
func Open(dir, deployer string) (*Client, error) {
	if deployer == "" {
		b, err := os.ReadFile(filepath.Join(dir, AddressFile))
		if err != nil {
			return nil, fmt.Errorf("the deployer's address: %w; name it with --deployer, or be in the group that may read %s", err, dir)
		}
		deployer = string(bytes.TrimSpace(b))
	}
	ca, err := os.ReadFile(filepath.Join(dir, CAFile))
	if err != nil {
		return nil, fmt.Errorf("the cluster's CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("the cluster's CA: %s has no certificate", filepath.Join(dir, CAFile))
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile))
	if err != nil {
		return nil, fmt.Errorf("the operator's certificate: %w", err)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: serverName, Certificates: []tls.Certificate{cert}}
	return &Client{base: "https://" + deployer, http: &http.Client{Timeout: 3 * time.Minute, Transport: &http.Transport{TLSClientConfig: conf}}}, nil
}

// Machines lists all machines.
func (c *Client) Machines(ctx context.Context) ([]fleet.Machine, error) {
	var out struct {
		Machines []fleet.Machine `json:"machines"`
	}
	return out.Machines, c.do(ctx, http.MethodGet, "/v1/machines", nil, &out)
}

// Machine shows one, by id, MAC or name.
func (c *Client) Machine(ctx context.Context, id string) (m fleet.Machine, err error) {
	return m, c.do(ctx, http.MethodGet, "/v1/machines/"+url.PathEscape(id), nil, &m)
}

// Tell asks for one of the changes that the deployer's API has by name.
func (c *Client) Tell(ctx context.Context, id, what string) (m fleet.Machine, err error) {
	return m, c.do(ctx, http.MethodPost, "/v1/machines/"+url.PathEscape(id)+"/"+what, nil, &m)
}

// Power switches a machine by its BMC and returns its state after it.
func (c *Client) Power(ctx context.Context, id string, p fleet.PowerRequest) (string, error) {
	var out fleet.PowerAnswer
	return out.State, c.do(ctx, http.MethodPost, "/v1/machines/"+url.PathEscape(id)+"/power", p, &out)
}

// Matrix is the last round of the fabric check; nil before one.
func (c *Client) Matrix(ctx context.Context) (*fabric.Matrix, error) {
	var out struct {
		Fabric *fabric.Matrix `json:"fabric"`
	}
	return out.Fabric, c.do(ctx, http.MethodGet, "/v1/fabric", nil, &out)
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("deployer: %w", err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("deployer: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("deployer: %w", err)
	}
	if res.StatusCode >= 300 {
		var e struct{ Error string }
		if json.Unmarshal(raw, &e) != nil || e.Error == "" {
			e.Error = res.Status
		}
		return errors.New(e.Error)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("deployer: answer to %s: %w", path, err)
	}
	return nil
}
