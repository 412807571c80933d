package installer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/node/spec"
)

// maxFleet bounds what a deployer may answer, in bytes: a thousand machines
// with all that is in them.
const maxFleet = 256 << 20

// Files of the operator's directory, which the deployer fills.
const (
	operatorCA      = "ca.crt"
	operatorCert    = "operator.crt"
	operatorKey     = "operator.key"
	operatorAddress = "deployer" // host:port
)

// ask gets the machines of a deployer, as an operator. On a controller the
// controller itself is one of them: it has its place in a count too.
func (c *ExplainCommand) ask(ctx context.Context, rack *plan.Rack) ([]known, error) {
	host := c.Deployer
	if host == "" {
		b, err := os.ReadFile(filepath.Join(c.Dir, operatorAddress))
		if err != nil {
			return nil, fmt.Errorf("machines that are no files are a deployer's; its address: %w; name it with --deployer", err)
		}
		host = strings.TrimSpace(string(b))
	}
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(host, strconv.Itoa(plan.HTTPSPort))
	}
	conf, err := c.identity()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/v1/machines", nil)
	if err != nil {
		return nil, fmt.Errorf("deployer %s: %w", host, err)
	}
	fleet, err := fetchFleet(req, conf)
	if err != nil {
		return nil, fmt.Errorf("deployer %s: %w", host, err)
	}
	return append(fleet, firstController(rack, spec.NodeFile)...), nil
}

func fetchFleet(req *http.Request, conf *tls.Config) ([]known, error) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: conf}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxFleet))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Machines []known `json:"machines"`
		Error    string  `json:"error"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, fmt.Errorf("answers %s: %w", res.Status, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answers %s: %s", res.Status, answer.Error)
	}
	return answer.Machines, nil
}

// firstController is the machine that we run on, where it is the first
// controller: the one with a rack.yaml in its manifest.
func firstController(rack *plan.Rack, file string) []known {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil // a laptop
	}
	var n spec.Node
	if err := json.Unmarshal(raw, &n); err != nil || n.Rack == "" {
		return nil
	}
	return []known{{ID: n.ID, Name: n.Name, Rule: rack.RuleOf(n.Name, true)}}
}

// identity is who we are and whom we trust.
func (c *ExplainCommand) identity() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(c.Dir, operatorCert), filepath.Join(c.Dir, operatorKey))
	if err != nil {
		return nil, fmt.Errorf("the operator's certificate: %w", err)
	}
	pem, err := os.ReadFile(filepath.Join(c.Dir, operatorCA))
	if err != nil {
		return nil, fmt.Errorf("the cluster's CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the cluster's CA: %s holds no certificate; allowed: PEM", filepath.Join(c.Dir, operatorCA))
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, ServerName: "deployer", RootCAs: pool, Certificates: []tls.Certificate{cert}}, nil
}
