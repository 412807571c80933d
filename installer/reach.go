package installer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// reachPatience is how long something may take to answer a person who waits.
const reachPatience = 5 * time.Second

// reach tries to reach a host by ICMP echo, or a host:port by TCP.
func reach(ctx context.Context, target string) (string, error) {
	ctx, done := context.WithTimeout(ctx, reachPatience)
	defer done()
	began := time.Now()
	said := func(what string) string {
		return fmt.Sprintf("%s %s after %.0f ms", target, what, float64(time.Since(began).Microseconds())/1000)
	}
	if _, _, err := net.SplitHostPort(target); err == nil {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", target)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			return said("refuses the connection, so it is there,"), nil
		case err != nil:
			return "", fmt.Errorf("reach %s: %w", target, err)
		}
		return said("answers"), c.Close()
	}
	addrs, err := net.DefaultResolver.LookupIP(ctx, "ip4", target)
	if err != nil {
		return "", fmt.Errorf("reach %s: %w", target, err)
	}
	if err := echo(ctx, addrs[0]); err != nil {
		return "", fmt.Errorf("reach %s: %w", target, err)
	}
	return said("answers"), nil
}

// echo sends ICMP echo requests, one a second, until one is answered.
func echo(ctx context.Context, to net.IP) (err error) {
	c, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	id := os.Getpid() & 0xffff
	buf := make([]byte, 1500)
	for seq := 1; ctx.Err() == nil; seq++ {
		m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: id, Seq: seq, Data: []byte("cairn")}}
		b, err := m.Marshal(nil)
		if err != nil {
			return err
		}
		if _, err := c.WriteTo(b, &net.IPAddr{IP: to}); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		if answered(c, buf, to, id) {
			return nil
		}
	}
	return errors.New("it does not answer; check cable, VLAN tag, address and gateway")
}

// answered reads until the answer or the deadline.
func answered(c *icmp.PacketConn, buf []byte, from net.IP, id int) bool {
	const icmpv4 = 1 // protocol number
	for {
		n, peer, err := c.ReadFrom(buf)
		if err != nil {
			return false
		}
		m, err := icmp.ParseMessage(icmpv4, buf[:n])
		if err != nil || m.Type != ipv4.ICMPTypeEchoReply || peer.String() != from.String() {
			continue
		}
		if e, ok := m.Body.(*icmp.Echo); ok && e.ID == id {
			return true
		}
	}
}

// maxKeys bounds a page with SSH keys, in bytes.
const maxKeys = 256 << 10

// fetchPublic gets a https URL from a server that a public CA vouches for. A
// person compares what it says.
func fetchPublic(ctx context.Context, url string) ([]byte, error) {
	ctx, done := context.WithTimeout(ctx, 30*time.Second)
	defer done()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: publicRoots()}}
	res, err := (&http.Client{Transport: transport, CheckRedirect: onlySecure}).Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s; allowed: 200 OK", url, res.Status)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxKeys+1))
	if err == nil && len(b) > maxKeys {
		return nil, fmt.Errorf("%s is longer than %d bytes", url, maxKeys)
	}
	return b, err
}

// onlySecure follows redirects as long as they stay with https.
func onlySecure(req *http.Request, via []*http.Request) error {
	if req.URL.Scheme != "https" || len(via) > 5 {
		return errors.New("it points to an address that is not https, or to too many")
	}
	return nil
}

// publicRoots are the CAs that browsers trust: an initramfs has none.
func publicRoots() *x509.CertPool {
	pool := x509.NewCertPool()
	for r := range bundle.Roots() {
		c, err := x509.ParseCertificate(r.Certificate)
		if err != nil {
			continue // one that this release of Go does not take
		}
		if r.Constraint == nil {
			pool.AddCert(c)
			continue
		}
		pool.AddCertWithConstraint(c, r.Constraint)
	}
	return pool
}
