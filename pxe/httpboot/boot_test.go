package httpboot

import (
	"bytes"
	"context"
	"encoding/json"
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

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/pxe/fleet"
	"github.com/cairn-cloud/cairn/pxe/tally"
)

// booters answers each boot with the decision that it was made with.
type booters struct {
	decision fleet.Decision
	err      error
	boots    []fleet.Boot
	fetched  []string

	mu   sync.Mutex
	sent []string // guarded by mu
}

func (b *booters) Boot(x fleet.Boot) (fleet.Decision, error) {
	b.boots = append(b.boots, x)
	return b.decision, b.err
}

func (b *booters) Fetched(a netip.Addr, file string) {
	b.fetched = append(b.fetched, fmt.Sprint(a, " ", file))
}

func (b *booters) Sent(a netip.Addr, file string, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, fmt.Sprint(a, " ", file, " ", bytes))
}

type loaders map[string][]byte

func (l loaders) File(name string) ([]byte, bool) { b, ok := l[name]; return b, ok }

// release writes one whose root lies at the head of a larger file, as on an
// installed machine, and returns it with the root's content.
func release(t testing.TB, size int) (*Release, []byte) {
	t.Helper()
	dir := t.TempDir()
	root := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	m := manifest.Manifest{Format: 1, Version: "7"}
	for name, data := range map[string][]byte{manifest.Kernel: []byte("kernel"), manifest.Initramfs: []byte("initramfs"), manifest.Root: root} {
		f, err := manifest.Describe(name, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		m.Files = append(m.Files, f)
		if name == manifest.Root {
			name, data = "slot", append(bytes.Clone(data), make([]byte, 4096)...)
		}
		write(t, filepath.Join(dir, name), data)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, manifest.Name), raw)
	write(t, filepath.Join(dir, "ticket.key"), []byte("secret"))
	r, err := OpenRelease(dir, filepath.Join(dir, "slot"))
	if err != nil {
		t.Fatal(err)
	}
	return r, root
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func handler(t testing.TB, b *booters, size int) (http.Handler, []byte) {
	t.Helper()
	r, root := release(t, size)
	return Boot(BootConfig{Fleet: b, Release: r, Loaders: loaders{"ipxe.efi": []byte("MZ")}, Deployer: netip.MustParseAddr("10.20.0.11"),
		CA: "sha256:00", Args: []string{"quiet"}, Log: slog.New(slog.DiscardHandler)}), root
}

func ask(h http.Handler, method, url string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, url, nil)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

func TestScriptFollowsTheDecision(t *testing.T) {
	for want, d := range map[string]fleet.Decision{
		"cairn.ticket=T ":                  {Do: fleet.DoInstall, Ticket: "T"},
		"compute7 is installed":            {Do: fleet.DoDisk, Name: "compute7"},
		"echo Cairn: an operator has to\n": {Do: fleet.DoHold, Reason: "an operator has to"},
	} {
		b := &booters{decision: d}
		h, _ := handler(t, b, 16)
		w := ask(h, "GET", "/boot/script?mac=52-54-00-00-00-01&uuid=U&platform=efi")
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s", want, w.Code, w.Body)
		}
		boots := []fleet.Boot{{MAC: "52:54:00:00:00:01", UUID: "U", Firmware: "uefi", From: netip.MustParseAddr("192.0.2.1")}}
		if diff := cmp.Diff(boots, b.boots, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Error(diff)
		}
	}
}

func TestScriptAsksFirst(t *testing.T) {
	b := &booters{}
	h, _ := handler(t, b, 16)
	for url, code := range map[string]int{
		"/boot/script?mac=52:54:00:00:00:01":                      200,
		"/boot/script?mac=52:54:00:00:00:01&platform=${platform}": 200,
		"/boot/script?mac=52:54:00:00:00:01%0a&platform=pcbios":   400,
		"/boot/script?mac=ff:ff:ff:ff:ff:ff&platform=pcbios":      400,
		"/boot/script?mac=${net0/mac}&platform=pcbios":            400,
		"/boot/script": 400,
	} {
		w := ask(h, "GET", url)
		if w.Code != code || code == 200 && !strings.Contains(w.Body.String(), "${uuid}") {
			t.Errorf("%s: got %d %s, want %d", url, w.Code, w.Body, code)
		}
	}
	if len(b.boots) != 0 {
		t.Errorf("machines were booted: %v", b.boots)
	}
	b.err = fmt.Errorf("%w: not yours", fleet.ErrDenied)
	if w := ask(h, "GET", "/boot/script?mac=52:54:00:00:00:01&platform=pcbios"); w.Code != 403 {
		t.Errorf("a refused boot: got %d, want 403", w.Code)
	}
}

func TestReleaseIsServedByItsManifest(t *testing.T) {
	b := &booters{}
	h, root := handler(t, b, 1<<20)
	if w := ask(h, "GET", "/image/root.img"); w.Code != 200 || !bytes.Equal(w.Body.Bytes(), root) {
		t.Errorf("the root: %d, %d bytes; want 200 and the %d of the manifest, not the slot's", w.Code, w.Body.Len(), len(root))
	}
	for ranges, want := range map[string]string{
		"bytes=5-9":      string(root[5:10]),
		"bytes=-3":       string(root[len(root)-3:]),
		"bytes=1048570-": string(root[1048570:]),
	} {
		if w := ask(h, "GET", "/image/root.img", "Range", ranges); w.Code != 206 || w.Body.String() != want {
			t.Errorf("%s: got %d %q, want 206 %q", ranges, w.Code, w.Body, want)
		}
	}
	for url, code := range map[string]int{
		"/image/vmlinuz": 200, "/image/initramfs": 200, "/image/manifest.json": 200, "/boot/ipxe.efi": 200,
		"/image/manifest.json.sig": 404, // not there
		"/image/ticket.key":        404, "/image/slot": 404, "/image/": 404, "/image/..%2fmanifest.json": 404, "/image/%2fetc%2fpasswd": 404,
		"/boot/undionly.kpxe": 404, "/": 404,
	} {
		if w := ask(h, "GET", url); w.Code != code {
			t.Errorf("%s: got %d, want %d", url, w.Code, code)
		}
	}
	if w := ask(h, "GET", "/image/root.img", "Range", "bytes=1048576-"); w.Code != 416 {
		t.Errorf("a range behind the root, into the slot: got %d, want 416", w.Code)
	}
	if w := ask(h, "PUT", "/image/root.img"); w.Code != 405 {
		t.Errorf("PUT: got %d, want 405", w.Code)
	}
	if w := ask(h, "HEAD", "/image/root.img"); w.Header().Get("Content-Length") != "1048576" || w.Header().Get("Accept-Ranges") != "bytes" {
		t.Errorf("HEAD: got %v", w.Header())
	}
	if diff := cmp.Diff("192.0.2.1 root.img", b.fetched[0]); diff != "" {
		t.Error(diff)
	}
	if got, want := b.sent[0], "192.0.2.1 root.img 1048576"; got != want {
		t.Errorf("counted %q first, want %q", got, want)
	}
}

func TestBadReleasesAreRefused(t *testing.T) {
	for name, m := range map[string]string{
		"no JSON":       "{",
		"without files": "{}",
		"a path":        `{"files":[{"name":"../x","size":1}]}`,
		"missing file":  `{"files":[{"name":"vmlinuz","size":6}]}`,
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, manifest.Name), []byte(m))
		if _, err := OpenRelease(dir, ""); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	r, _ := release(t, 16)
	write(t, filepath.Join(r.dir, "slot"), []byte("cut"))
	if _, err := OpenRelease(r.dir, filepath.Join(r.dir, "slot")); err == nil {
		t.Error("a root that is too short was accepted")
	}
}

// serving starts the real server and returns its base URL.
func serving(t testing.TB, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, h, nil, tally.Counter{}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

func TestServerSheds(t *testing.T) {
	h, _ := handler(t, &booters{}, 16)
	base := serving(t, h)
	req, err := http.NewRequest("GET", base+"/image/vmlinuz", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Long", strings.Repeat("a", 64<<10))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("headers of 64 KiB: got %s, want 431", res.Status)
	}
	// More clients than connections are served: the rest waits its turn.
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range maxConns + 10 {
		res, err := c.Get(base + "/image/vmlinuz")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
}

// BenchmarkHTTP is the speed of one client that reads the root over the
// loopback, and that of net/http's own file server, turn by turn, so that a
// busy machine slows both.
func BenchmarkHTTP(b *testing.B) {
	const size = 256 << 20
	h, _ := handler(b, &booters{}, size)
	dir := b.TempDir()
	write(b, filepath.Join(dir, "root.img"), make([]byte, size))
	plain := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer plain.Close()
	ours := serving(b, h) + "/image/root.img"
	buf := make([]byte, 1<<20)
	fetch := func(url string) time.Duration {
		started := time.Now()
		res, err := http.Get(url)
		if err != nil {
			b.Fatal(err)
		}
		defer res.Body.Close()
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, buf); err != nil || n != size {
			b.Fatalf("%d bytes, %v", n, err)
		}
		return time.Since(started)
	}
	var own, other time.Duration
	for b.Loop() {
		own += fetch(ours)
		other += fetch(plain.URL + "/root.img")
	}
	total := float64(size) * float64(b.N) / 1e6
	b.ReportMetric(total/own.Seconds(), "MB/s")
	b.ReportMetric(total/other.Seconds(), "net-http-MB/s")
	b.ReportMetric(100*other.Seconds()/own.Seconds(), "%-of-net-http")
}
