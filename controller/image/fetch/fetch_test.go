package fetch

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// here is an address of this machine that is not loopback: a stand-in for a
// mirror in a private network, which the fence opens when it is told to.
func here(t testing.TB) netip.Addr {
	t.Helper()
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Addr().Is4() && !within(never, p.Addr()) {
			return p.Addr()
		}
	}
	t.Skip("this machine has no IPv4 address but loopback")
	return netip.Addr{}
}

// serve answers on an address; the port comes back, and how many connections
// there were.
func serve(t testing.TB, a netip.Addr, h http.HandlerFunc) (port int, connections *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(a, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	connections = new(atomic.Int32)
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}}}
	s.Start()
	t.Cleanup(s.Close)
	return int(netip.MustParseAddrPort(l.Addr().String()).Port()), connections
}

func client(t testing.TB, o Options) *Client {
	t.Helper()
	if o.MaxSize == 0 {
		o.MaxSize = 1000
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(t testing.TB, c *Client, uri string) (string, error) {
	t.Helper()
	b, err := c.Open(t.Context(), uri)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(b)
	if cerr := b.Close(); cerr != nil {
		t.Error(cerr)
	}
	return string(data), err
}

func TestPermits(t *testing.T) {
	o := Options{Ports: []int{443}, Networks: prefixes("10.1.0.0/16", "127.0.0.0/8", "fd00::/16"), Refused: prefixes("9.9.9.0/24")}
	own := prefixes("8.8.4.0/24")
	for text, want := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700::1]:443": true, "10.1.2.3:443": true, "[fd00::1]:443": true,
		"8.8.8.8:80": false, "10.2.0.1:443": false, "172.16.0.1:443": false, "192.168.1.1:443": false,
		"127.0.0.1:443": false, "127.1.2.3:443": false, "0.0.0.0:443": false, "[::1]:443": false, "[::]:443": false,
		"169.254.169.254:443": false, "[fe80::1]:443": false, "[fe80::1%eth0]:443": false, "[fd00:ec2::254]:443": false,
		"100.64.0.1:443": false, "100.100.100.200:443": false, "224.0.0.1:443": false, "255.255.255.255:443": false,
		"[::ffff:127.0.0.1]:443": false, "[::ffff:10.2.0.1]:443": false, "[::ffff:8.8.8.8]:443": true, "[::7f00:1]:443": false,
		"[64:ff9b::7f00:1]:443": false, "[2002:7f00:1::]:443": false, "[2001:db8::1]:443": false, "[fc00::1]:443": false,
		"9.9.9.9:443": false, "8.8.4.4:443": false,
	} {
		if got := o.permits(netip.MustParseAddrPort(text), own); got != want {
			t.Errorf("%s: permitted: %v, want %v", text, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	c := client(t, Options{Ports: []int{80, 443, 8443}, Hosts: []string{"mirror.example", ".images.example"}, RefusedHosts: []string{"bad.images.example"}})
	open := client(t, Options{})
	for _, good := range []string{"https://mirror.example/a", "http://mirror.example.:80/a", "https://x.y.images.example:8443/"} {
		if err := c.Check(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "x", "/a", "https://", "ftp://mirror.example/", "file:///etc/passwd", "gopher://mirror.example:80/", "https://mirror.example:22/", "https://mirror.example:0/",
		"https://other.example/", "https://notimages.example/", "https://bad.images.example/", "https://a:b@mirror.example/", "http:mirror.example", "https://[::1"} {
		if err := c.Check(bad); cloud.KindOf(err) != cloud.KindBadRequest {
			t.Errorf("%s: %v, want a refusal", bad, err)
		}
	}
	for _, bad := range []string{"http://127.0.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/latest", "http://localhost/", "http://x.localhost./", "http://10.0.0.1/"} {
		if err := open.Check(bad); cloud.KindOf(err) != cloud.KindBadRequest {
			t.Errorf("%s: %v, want a refusal", bad, err)
		}
	}
}

// What a name resolves to counts when the connection is made, each time; no
// way of writing this machine's address gets a packet to it.
func TestNothingReachesThisMachine(t *testing.T) {
	port, connections := serve(t, netip.MustParseAddr("127.0.0.1"), func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "secret") })
	dns := &names{"rebinds.example": {"192.88.99.1", "127.0.0.1"}, "inside.example": {"127.0.0.1"}, "six.example": {"::1"}, "mapped.example": {"::ffff:127.0.0.1"}}
	c := client(t, Options{Ports: []int{port}, Resolver: dns.serve(t), Networks: prefixes("192.88.99.1/32", "127.0.0.0/8"), Timeout: 20 * time.Second})
	for _, host := range []string{"inside.example", "six.example", "mapped.example", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "[::1]", "[::ffff:127.0.0.1]", "localhost", "localhost."} {
		if data, err := get(t, c, fmt.Sprintf("http://%s:%d/", host, port)); cloud.KindOf(err) != cloud.KindBadRequest {
			t.Errorf("%s: %q, %v; want a refusal", host, data, err)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections reached this machine", n)
	}
}

// A redirect is held to the same rules as the first address, and so is the
// second answer of a name that changes its mind.
func TestRedirects(t *testing.T) {
	inner, connections := serve(t, netip.MustParseAddr("127.0.0.1"), func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "secret") })
	a := here(t)
	var port int
	target := ""
	port, _ = serve(t, a, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/once":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/away":
			http.Redirect(w, r, target, http.StatusFound)
		default:
			fmt.Fprint(w, "data")
		}
	})
	dns := &names{"rebinds.example": {a.String(), "127.0.0.1"}}
	c := client(t, Options{Ports: []int{port, inner}, Resolver: dns.serve(t), Networks: []netip.Prefix{netip.PrefixFrom(a, 32)}, Timeout: 20 * time.Second})
	base := fmt.Sprintf("http://%s:%d", a, port)
	if data, err := get(t, c, base+"/once"); err != nil || data != "data" {
		t.Errorf("one redirect: %q, %v", data, err)
	}
	for _, target = range []string{
		fmt.Sprintf("http://127.0.0.1:%d/", inner), fmt.Sprintf("http://127.1:%d/", inner), fmt.Sprintf("http://[::ffff:7f00:1]:%d/", inner),
		"file:///etc/passwd", "ftp://x/", "http://169.254.169.254/", "http://" + a.String() + ":22/",
	} {
		if data, err := get(t, c, base+"/away"); cloud.KindOf(err) != cloud.KindBadRequest {
			t.Errorf("a redirect to %s: %q, %v", target, data, err)
		}
	}
	if _, err := get(t, c, base+"/loop"); cloud.KindOf(err) != cloud.KindBadRequest || !strings.Contains(err.Error(), "more than 5") {
		t.Errorf("redirects without end: %v", err)
	}
	target = fmt.Sprintf("http://rebinds.example:%d/", inner)
	if data, err := get(t, c, fmt.Sprintf("http://rebinds.example:%d/away", port)); cloud.KindOf(err) != cloud.KindBadRequest {
		t.Errorf("a name that changes its mind: %q, %v", data, err)
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections reached this machine", n)
	}
}

// Size, time and what a server may answer are bounded.
func TestBounds(t *testing.T) {
	a := here(t)
	release := make(chan struct{})
	port, _ := serve(t, a, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/fits":
			_, _ = io.WriteString(w, strings.Repeat("x", 1000))
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 1001))
		case "/endless":
			for i := 0; i < 100; i++ {
				_, _ = io.WriteString(w, strings.Repeat("x", 100))
				_ = http.NewResponseController(w).Flush()
			}
		case "/short":
			w.Header().Set("Content-Length", "500")
			_, _ = io.WriteString(w, "x")
		case "/packed":
			w.Header().Set("Content-Encoding", "gzip")
		case "/stalls":
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-release:
			case <-r.Context().Done():
			}
		default:
			http.NotFound(w, r)
		}
	})
	defer close(release)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	c := client(t, Options{Ports: []int{port}, Networks: []netip.Prefix{netip.PrefixFrom(a, 32)}, Patience: 300 * time.Millisecond})
	for path, want := range map[string]cloud.Kind{
		"/fits": 0, "/long": cloud.KindTooLarge, "/endless": cloud.KindTooLarge, "/short": cloud.KindBadRequest,
		"/packed": cloud.KindBadRequest, "/stalls": cloud.KindBadRequest, "/none": cloud.KindBadRequest,
	} {
		data, err := get(t, c, fmt.Sprintf("http://%s:%d%s", a, port, path))
		if want == 0 && (err != nil || len(data) != 1000) || want != 0 && cloud.KindOf(err) != want {
			t.Errorf("%s: %d bytes, %v; want %v", path, len(data), err, want)
		}
	}
	for what, o := range map[string]Options{"scheme": {Schemes: []string{"file"}, MaxSize: 1}, "port": {Ports: []int{0}, MaxSize: 1}, "size": {}} {
		if _, err := New(o); err == nil {
			t.Errorf("a client was made with a bad %s", what)
		}
	}
}

// names is a DNS server: the addresses of a name, one for each question; the
// last one stays.
type names map[string][]string

// serve answers questions, and returns a resolver that asks them.
func (n *names) serve(t testing.TB) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer, err := n.answer(buf[:size]); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (n *names) answer(question []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil, fmt.Errorf("question: %w", err)
	}
	m.Response, m.Additionals = true, nil
	q := m.Questions[0]
	name := strings.TrimSuffix(q.Name.String(), ".")
	list, ok := (*n)[name]
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
		return m.Pack()
	}
	h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
	switch a := netip.MustParseAddr(list[0]); {
	case a.Is4() && q.Type == dnsmessage.TypeA:
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		if len(list) > 1 {
			(*n)[name] = list[1:]
		}
	case !a.Is4() && q.Type == dnsmessage.TypeAAAA:
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
	}
	return m.Pack()
}
