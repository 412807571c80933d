package imagecache

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"
)

// Client returns an HTTP client that shows the node's certificate and wants
// that of serverName, both of the cluster's CA. The files are PEM.
func Client(ca, cert, key, serverName string) (*http.Client, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("image client: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("image client: %s holds no PEM certificate", ca)
	}
	// Read for each connection, so that a renewed certificate is used.
	own := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		return &pair, err
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 nil, // the controller is a neighbour
			TLSClientConfig:       &tls.Config{RootCAs: roots, ServerName: serverName, GetClientCertificate: own, MinVersion: tls.VersionTLS12},
			ResponseHeaderTimeout: time.Minute,
			IdleConnTimeout:       time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
