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
	"strconv"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// maxFleet bounds what a deployer may answer, in bytes: a thousand machines
// with all that is in them.
const maxFleet = 256 << 20

// ask gets the machines of a deployer, as an operator.
func (c *ExplainCommand) ask(ctx context.Context) ([]known, error) {
	conf, err := c.identity()
	if err != nil {
		return nil, err
	}
	host := c.Deployer
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(host, strconv.Itoa(plan.HTTPSPort))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/v1/machines", nil)
	if err != nil {
		return nil, fmt.Errorf("deployer %s: %w", c.Deployer, err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: conf}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("deployer: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxFleet))
	if err != nil {
		return nil, fmt.Errorf("deployer %s: %w", c.Deployer, err)
	}
	var answer struct {
		Machines []known `json:"machines"`
		Error    string  `json:"error"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, fmt.Errorf("deployer %s answers %s: %w", c.Deployer, res.Status, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("deployer %s answers %s: %s", c.Deployer, res.Status, answer.Error)
	}
	return answer.Machines, nil
}

// identity is who we are and whom we trust.
func (c *ExplainCommand) identity() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("operator's certificate: %w", err)
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("the cluster's CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the cluster's CA: %s holds no certificate; allowed: PEM", c.CA)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, ServerName: "deployer", RootCAs: pool, Certificates: []tls.Certificate{cert}}, nil
}
