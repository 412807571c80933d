package controller

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/hardening/pki"
)

// until waits until f says true; a busy machine has its time.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !f() {
		select {
		case <-ctx.Done():
			t.Fatalf("waiting until %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// dial makes a TLS connection that speaks HTTP/1.1.
func (p *twoPorts) dial(t *testing.T) *tls.Conn {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(p.ca.Certificate())
	c, err := tls.Dial("tcp", p.conf.Listen, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// isCut drips text a byte at a time, over and over, until the other side has
// had enough; it fails the test if that never comes.
func isCut(t *testing.T, c net.Conn, text string) {
	t.Helper()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, c) // ends when the other side does
	}()
	for i := 0; ; i++ {
		select {
		case <-gone:
			return
		case <-t.Context().Done():
			t.Fatal("still connected")
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := c.Write([]byte{text[i%len(text)]}); err != nil {
			return
		}
	}
}

var impatient = patience{header: 300 * time.Millisecond, idle: 300 * time.Millisecond, answer: 300 * time.Millisecond, connections: 4, perAddress: 3}

// Whoever sends a head, or nothing, a byte at a time is cut, and nothing of it
// stays behind.
func TestSlowHeads(t *testing.T) {
	p := openFront(t, impatient)
	for _, address := range []string{p.conf.Listen, p.conf.NodeListen} { // both ports serve
		if _, _, err := p.get(t, address, "/healthz", certificate(t, p.ca)); err != nil {
			t.Fatal(err)
		}
	}
	before := runtime.NumGoroutine()
	for range 3 {
		isCut(t, p.dial(t), "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: x")
	}
	raw, err := net.Dial("tcp", p.conf.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	isCut(t, raw, "\x16") // not even TLS
	until(t, "the goroutines of slow clients have ended", func() bool { return runtime.NumGoroutine() <= before })
}

// A connection that has nothing more to say is closed.
func TestIdleConnections(t *testing.T) {
	p := openFront(t, impatient)
	c := p.dial(t)
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(c); err != nil || len(text) == 0 { // ends when the other side closes
		t.Errorf("%q, %v", text, err)
	}
}

// A client that does not take its answer is given up.
func TestAnswersThatNobodyTakes(t *testing.T) {
	p := openFront(t, impatient)
	ended := make(chan error, 1)
	endless := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		b := make([]byte, 1<<16)
		for {
			if _, err := w.Write(b); err != nil {
				ended <- err
				return
			}
		}
	})
	p.front.open(&Cloud{Public: endless, Nodes: endless}, func() error { return nil })
	c := p.dial(t)
	if _, err := io.WriteString(c, "GET /much HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-t.Context().Done():
		t.Error("the answer is still being written")
	}
}

// An address has so many connections; the next one is closed at once, and one
// that ends makes room.
func TestManyConnections(t *testing.T) {
	patient := defaultPatience
	patient.perAddress = 3
	p := openFront(t, patient)
	open := make([]net.Conn, 3)
	for i := range open {
		open[i] = p.dial(t)
	}
	extra, err := net.Dial("tcp", p.conf.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	if n, err := extra.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the fourth connection: %d bytes, %v", n, err)
	}
	open[0].Close()
	until(t, "there is room", func() bool {
		roots := x509.NewCertPool()
		roots.AddCert(p.ca.Certificate())
		c, err := tls.Dial("tcp", p.conf.Listen, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// A head beyond the bound is refused.
func TestLargeHeads(t *testing.T) {
	p := openFront(t)
	c := p.dial(t)
	go func() {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("x", 4*maxHeader)) // cut while it is written
	}()
	if text, err := io.ReadAll(c); err == nil && !strings.HasPrefix(string(text), "HTTP/1.1 431") {
		t.Errorf("%q", text)
	}
}

func TestMetricsAreForServices(t *testing.T) {
	p := openFront(t)
	if code, text, err := p.get(t, p.conf.NodeListen, "/metrics", certificate(t, p.ca)); err != nil || code != 200 || text != "figures" {
		t.Errorf("a service: %d %q %v", code, text, err)
	}
	key, csr, err := pki.NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := p.ca.IssueNode(csr, "n1")
	if err != nil {
		t.Fatal(err)
	}
	node, err := tls.X509KeyPair(pair, key)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, err := p.get(t, p.conf.NodeListen, "/metrics", node); err != nil || code != http.StatusForbidden {
		t.Errorf("a node: %d %v", code, err)
	}
	if code, _, err := p.get(t, p.conf.Listen, "/metrics"); err != nil || code != http.StatusServiceUnavailable {
		t.Errorf("the public port: %d %v", code, err)
	}
}
