package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Where a controller keeps what its operator needs.
const (
	remoteCA       = "/var/lib/cairn/pki/ca.crt"
	remotePassword = "/var/lib/cairn/operator/admin-password" //nolint:gosec // a path, no password
)

// bootPort is where the deployer serves kernels and images.
const bootPort = 8080

// asking bounds one attempt to reach something that may not be there yet.
const asking = 3 * time.Minute

// tryCA fetches the cluster's CA certificate over SSH.
func (r *rack) tryCA(ctx context.Context) (detail string, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	raw, err := shell{r.dir, r.config.SSH}.run(ctx, "cat "+remoteCA)
	if err != nil {
		return "", false, nil // not yet
	}
	if !x509.NewCertPool().AppendCertsFromPEM(raw) {
		return "", false, fmt.Errorf("%s of the controller is no certificate", remoteCA)
	}
	return "", true, os.WriteFile(filepath.Join(r.dir, caFile), raw, 0o644)
}

// trusting is an HTTP client that trusts the cluster's CA alone.
func (r *rack) trusting() (*http.Client, error) {
	raw, err := os.ReadFile(filepath.Join(r.dir, caFile))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	return &http.Client{
		Timeout:   asking,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
	}, nil
}

// base is the address of the API, without a slash at its end.
func (r *rack) base() string { return fmt.Sprintf("https://127.0.0.1:%d", r.config.API) }

// tryAPI asks the API for its identity version. A certificate that is not the
// cluster's is final, everything else may still come.
func (r *rack) tryAPI(ctx context.Context) (detail string, ok bool, err error) {
	client, err := r.trusting()
	if err != nil {
		return "", false, err
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base()+"/identity/v3", nil)
	if err != nil {
		return "", false, err
	}
	resp, err := client.Do(req)
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) {
		return "", false, fmt.Errorf("the API's certificate: %w", bad)
	}
	if err != nil {
		return "", false, nil // not yet
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", false, nil
	}
	if resp.StatusCode != http.StatusOK {
		return resp.Status, false, nil
	}
	return "", true, nil
}

// tryDeployer asks whether the controller's deployer serves boot files: DHCP
// and TFTP are up before it does.
func (r *rack) tryDeployer(ctx context.Context) (detail string, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	if _, err := (shell{r.dir, r.config.SSH}).run(ctx, fmt.Sprintf("</dev/tcp/%s/%d", controllerAddress, bootPort)); err != nil {
		return "", false, nil // not yet
	}
	return "", true, nil
}

// adminPassword reads the password that the controller made at its first
// start, once.
func (r *rack) adminPassword(ctx context.Context) (string, error) {
	file := filepath.Join(r.dir, passwordFile)
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if raw, err = (shell{r.dir, r.config.SSH}).run(ctx, "cat "+remotePassword); err == nil {
			err = os.WriteFile(file, raw, 0o600)
		}
	}
	if err != nil {
		return "", fmt.Errorf("password of admin: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}
