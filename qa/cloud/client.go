package cloud

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
	"os"
	"strings"
	"time"
)

// A client speaks to the controller on one of its ports.
type client struct {
	base     string
	http     *http.Client
	password string
}

// newClient trusts the cloud's CA, and shows a certificate if there is one.
func (l layout) newClient(port int, certs ...tls.Certificate) (*client, error) {
	pem, err := os.ReadFile(l.ca())
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", l.ca())
	}
	return &client{
		base: fmt.Sprintf("https://127.0.0.1:%d", port),
		http: &http.Client{
			Timeout:   30 * time.Second,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certs, MinVersion: tls.VersionTLS12}},
		},
	}, nil
}

// client is the administrator at the APIs of a cloud that has run before.
func (l layout) client() (*client, error) {
	p, err := l.lastPorts()
	if err != nil {
		return nil, err
	}
	c, err := l.newClient(p.API)
	if err != nil {
		return nil, err
	}
	password, err := os.ReadFile(l.password())
	c.password = strings.TrimSpace(string(password))
	return c, err
}

// token asks for a token as the administrator.
func (c *client) token(ctx context.Context) error {
	body := map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{
			"user": map[string]any{"name": "admin", "domain": map[string]string{"id": "default"}, "password": c.password},
		}},
		"scope": map[string]any{"project": map[string]any{"name": "admin", "domain": map[string]string{"id": "default"}}},
	}}
	return c.do(ctx, http.MethodPost, "/identity/v3/auth/tokens", body)
}

// do makes a request and wants success.
func (c *client) do(ctx context.Context, method, path string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, strings.TrimSpace(string(text)))
	}
	return nil
}

// untilToken asks until a token is issued. The file with the password comes
// with the first start.
func (c *client) untilToken(ctx context.Context, passwordFile string, ended <-chan error) error {
	for {
		b, err := os.ReadFile(passwordFile)
		if err == nil {
			c.password = strings.TrimSpace(string(b))
			err = c.token(ctx)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case e := <-ended:
			return fmt.Errorf("the controller ended: %w", e)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
