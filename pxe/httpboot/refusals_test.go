package httpboot

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/pxe/dhcp"
	"github.com/cairn-cloud/cairn/pxe/fleet"
	"github.com/cairn-cloud/cairn/pxe/tally"
)

// tallies counts, and remembers what was said of the newest refusal.
type tallies struct {
	mu     sync.Mutex
	counts map[string]int // guarded by mu; so is the next
	last   string
}

func newTallies() *tallies { return &tallies{counts: map[string]int{}} }

func (t *tallies) Pass(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what]++
}

func (t *tallies) Refuse(reason, detail string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[reason]++
	t.last = reason + ": " + detail
}

// await returns what was said of the newest refusal, once there was one of
// that reason.
func (t *tallies) await(tb testing.TB, reason string) string {
	tb.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		t.mu.Lock()
		n, last := t.counts[reason], t.last
		t.mu.Unlock()
		if n > 0 {
			return last
		}
	}
	tb.Fatalf("counted %v, want one of %s", t.counts, reason)
	return ""
}

// TestBootRefusals has a line for each thing that the plain server refuses:
// what the client reads, and what we say.
func TestBootRefusals(t *testing.T) {
	const badMAC = `MAC address "x"; allowed: six bytes like 52:54:00:12:34:56`
	for _, c := range []struct {
		method, path string
		code         int
		body, said   string
		err          error
		spoil        func(*testing.T, *Release)
	}{
		{method: "GET", path: "/boot/script?mac=x", code: 400, body: badMAC, said: "bad-request: GET /boot/script from 192.0.2.1: " + badMAC},
		{method: "GET", path: "/boot/script?mac=52:54:00:00:00:01&platform=efi", code: 403, body: "refused: no", said: "denied: GET /boot/script from 192.0.2.1: refused: no",
			err: fmt.Errorf("%w: no", fleet.ErrDenied)},
		{method: "GET", path: "/boot/none.efi", code: 404, body: "404 page not found", said: "not-found: GET /boot/none.efi from 192.0.2.1: 404 page not found"},
		{method: "GET", path: "/image/ticket.key", code: 404, body: "404 page not found", said: "not-found: GET /image/ticket.key from 192.0.2.1: 404 page not found"},
		{method: "GET", path: "/else", code: 404, body: "404 page not found", said: "not-found: GET /else from 192.0.2.1: 404 page not found"},
		{method: "POST", path: "/image/vmlinuz", code: 405, body: "Method Not Allowed", said: "method: POST /image/vmlinuz from 192.0.2.1: Method Not Allowed"},
		{method: "GET", path: "/image/root.img", code: 416, body: "invalid range: failed to overlap", said: "range: GET /image/root.img from 192.0.2.1: invalid range: failed to overlap"},
		{method: "GET", path: "/image/vmlinuz", code: 500, body: "the file cannot be read", said: "fault: GET /image/vmlinuz from 192.0.2.1: the file cannot be read",
			spoil: func(t *testing.T, r *Release) { write(t, filepath.Join(r.dir, "vmlinuz"), nil) }},
	} {
		r, _ := release(t, 16)
		if c.spoil != nil {
			c.spoil(t, r)
		}
		count := newTallies()
		h := Counted(Boot(BootConfig{Fleet: &booters{err: c.err}, Release: r, Loaders: loaders{}, Deployer: netip.MustParseAddr("10.20.0.11"),
			Log: slog.New(slog.DiscardHandler)}), count)
		header := []string{}
		if c.code == 416 {
			header = []string{"Range", "bytes=999-"}
		}
		w := ask(h, c.method, c.path, header...)
		if body := strings.TrimSpace(w.Body.String()); w.Code != c.code || body != c.body || count.last != c.said {
			t.Errorf("%s %s: got %d %q and said %q, want %d %q and %q", c.method, c.path, w.Code, body, count.last, c.code, c.body, c.said)
		}
	}
}

// TestAPIRefusals does the same for the TLS side. What the fleet refuses is in
// its own tests.
func TestAPIRefusals(t *testing.T) {
	const nobody = "refused: no client certificate of the cluster's CA; needed: one for operator, controller, deployer"
	for _, c := range []struct {
		method, path, body, cn string
		code                   int
		want                   string
	}{
		{"POST", "/v1/machines/m/inventory", `{`, "", 400, "request body: unexpected EOF"},
		{"POST", "/v1/machines/m/progress", `{"done":"x"}`, "", 400, "request body: json: cannot unmarshal string into Go struct field Progress.done of type int64"},
		{"POST", "/v1/machines/m/enrol", `{"csr":"` + strings.Repeat("a", maxBody) + `"}`, "", 413, "request body: http: request body too large"},
		{"GET", "/v1/machines", "", "", 403, nobody},
		{"GET", "/v1/counters", "", "", 403, nobody},
		{"GET", "/v1/machines", "", "compute", 403, `refused: the client certificate is for "compute"; allowed: operator, controller, deployer`},
	} {
		m, count := &machines{}, newTallies()
		mux := http.NewServeMux()
		mux.Handle("/v1/", API(m, m, slog.New(slog.DiscardHandler)))
		mux.Handle("/v1/counters", Counters(tally.New(slog.New(slog.DiscardHandler), nil), func() {}, func() []dhcp.Other { return nil }, slog.New(slog.DiscardHandler)))
		w := httptest.NewRecorder()
		Counted(mux, count).ServeHTTP(w, request(c.method, c.path, c.body, c.cn, "service"))
		if want := fmt.Sprintf("{\"error\":%q}\n", c.want); w.Code != c.code || w.Body.String() != want {
			t.Errorf("%s %s: got %d %s, want %d %s", c.method, c.path, w.Code, w.Body, c.code, want)
		}
		if count.counts[reason(c.code)] != 1 {
			t.Errorf("%s %s: counted %v", c.method, c.path, count.counts)
		}
	}
}

func TestCountersAreForOperators(t *testing.T) {
	book := tally.New(slog.New(slog.DiscardHandler), func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) })
	book.For("dhcp").Refuse("foreign", "52:54:00:00:00:01 MSFT")
	h := Counters(book, func() { book.For("tftp").Set("socket-full", 3) }, func() []dhcp.Other { return []dhcp.Other{} }, slog.New(slog.DiscardHandler))
	for path, want := range map[string]string{
		"/v1/counters": `{"counters":[{"protocol":"dhcp","what":"foreign","refused":true,"total":1,"last":"2026-01-02T03:04:05Z","detail":"52:54:00:00:00:01 MSFT"},` +
			`{"protocol":"tftp","what":"socket-full","refused":true,"total":3,"last":"2026-01-02T03:04:05Z"}],"dhcp_servers":[]}` + "\n",
		"/metrics": `# HELP cairn_deployer_answers_total Answers of the deployer, by protocol.
# TYPE cairn_deployer_answers_total counter
# HELP cairn_deployer_refused_total Packets and requests that were refused or dropped, by protocol and reason.
# TYPE cairn_deployer_refused_total counter
cairn_deployer_refused_total{protocol="dhcp",what="foreign"} 1
cairn_deployer_refused_total{protocol="tftp",what="socket-full"} 3
`,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request("GET", path, "", "operator", "service"))
		if w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: got %d %s, want %s", path, w.Code, w.Body, want)
		}
		w = httptest.NewRecorder()
		if h.ServeHTTP(w, request("GET", path, "", "", "")); w.Code != 403 || strings.Contains(w.Body.String(), "foreign") {
			t.Errorf("%s without a certificate: got %d %s, want 403", path, w.Code, w.Body)
		}
	}
}

// counting starts the real server and returns its address and counter.
func counting(t *testing.T, conf *tls.Config) (string, *tallies) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	count, done := newTallies(), make(chan error, 1)
	go func() { done <- Serve(ctx, l, http.NotFoundHandler(), conf, count) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), count
}

// anyCertificate is one that somebody else's server has.
func anyCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS.Certificates[0]
}

// TestConnectionsThatComeToNothing are counted, though no handler sees them.
func TestConnectionsThatComeToNothing(t *testing.T) {
	plain, plainCount := counting(t, nil)
	secure, secureCount := counting(t, &tls.Config{Certificates: []tls.Certificate{anyCertificate(t)}})
	for _, c := range []struct {
		addr  string
		count *tallies
		sends string
		want  string
	}{
		{plain, plainCount, "", "no-request: connection from 127.0.0.1"},
		{plain, plainCount, "rubbish\r\n\r\n", "malformed: connection from 127.0.0.1"},
		{secure, secureCount, "GET / HTTP/1.0\r\n\r\n", "tls: 127.0.0.1:PORT: client sent an HTTP request to an HTTPS server"},
	} {
		conn, err := net.Dial("tcp4", c.addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, c.sends); err != nil {
			t.Fatal(err)
		}
		if c.sends != "" {
			if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil && err != io.EOF {
				t.Logf("%q: %v", c.sends, err)
			}
		}
		port := conn.LocalAddr().(*net.TCPAddr).Port
		conn.Close()
		reason, _, _ := strings.Cut(c.want, ":")
		if got, want := c.count.await(t, reason), strings.ReplaceAll(c.want, "PORT", fmt.Sprint(port)); got != want {
			t.Errorf("%q: said %q, want %q", c.sends, got, want)
		}
	}
}

func TestReleasesThatCannotBe(t *testing.T) {
	for want, change := range map[string]func(t *testing.T, dir string){
		"release: open DIR/manifest.json: no such file or directory": func(t *testing.T, dir string) { remove(t, dir, "manifest.json") },
		"release DIR: manifest.json: invalid character 'x' looking for beginning of value": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "manifest.json"), []byte("x"))
		},
		`release DIR: file name "../vmlinuz"; allowed: a name without a directory`: func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "manifest.json"), []byte(`{"files":[{"name":"../vmlinuz"}]}`))
		},
		"release DIR, version 7: open DIR/vmlinuz: no such file or directory":    func(t *testing.T, dir string) { remove(t, dir, "vmlinuz") },
		"release DIR, version 7: DIR/slot has 3 bytes, the manifest says 16":     func(t *testing.T, dir string) { write(t, filepath.Join(dir, "slot"), []byte("cut")) },
		"release DIR, version 7: DIR/initramfs has 1 bytes, the manifest says 9": func(t *testing.T, dir string) { write(t, filepath.Join(dir, "initramfs"), []byte("x")) },
	} {
		r, _ := release(t, 16)
		change(t, r.dir)
		_, err := OpenRelease(r.dir, filepath.Join(r.dir, "slot"))
		if err == nil || strings.ReplaceAll(err.Error(), r.dir, "DIR") != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}
