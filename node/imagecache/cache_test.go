package imagecache

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/node/spec"
)

// A controller serves one image, and can cut connections.
type controller struct {
	body   []byte
	cutAt  int // bytes of each answer after which it is cut; 0: never
	gets   atomic.Int32
	ranges []string
	mu     sync.Mutex // guards ranges
}

func (c *controller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.gets.Add(1)
	c.mu.Lock()
	c.ranges = append(c.ranges, r.Header.Get("Range"))
	c.mu.Unlock()
	if r.URL.Path != "/v1/images/i1" {
		http.NotFound(w, r)
		return
	}
	if c.cutAt > 0 {
		w = &cutWriter{ResponseWriter: w, left: c.cutAt}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(c.body))
}

type cutWriter struct {
	http.ResponseWriter
	left int
}

func (w *cutWriter) Write(b []byte) (int, error) {
	if len(b) > w.left {
		_, _ = w.ResponseWriter.Write(b[:w.left])
		panic(http.ErrAbortHandler)
	}
	w.left -= len(b)
	return w.ResponseWriter.Write(b)
}

func open(t *testing.T, c *controller) (*Cache, spec.Image) {
	t.Helper()
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := New(Options{Dir: filepath.Join(t.TempDir(), "images"), Base: u, Client: srv.Client(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum512(c.body)
	return cache, spec.Image{ID: "i1", Format: "raw", Size: int64(len(c.body)), SHA512: hex.EncodeToString(sum[:])}
}

func someBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

func TestFetchOnceForMany(t *testing.T) {
	c := &controller{body: someBytes(1 << 20)}
	cache, image := open(t, c)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			path, err := cache.Fetch(t.Context(), image)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, c.body) {
				t.Errorf("other bytes: %v", err)
			}
		})
	}
	wg.Wait()
	if n := c.gets.Load(); n != 1 {
		t.Errorf("fetched %d times, want once", n)
	}
}

func TestFetchResumes(t *testing.T) {
	c := &controller{body: someBytes(1 << 20), cutAt: 400_000}
	cache, image := open(t, c)
	if _, err := cache.Fetch(t.Context(), image); err != nil {
		t.Fatal(err)
	}
	if len(c.ranges) < 3 || c.ranges[0] != "" || !strings.HasPrefix(c.ranges[1], "bytes=") || c.ranges[1] == "bytes=0-" {
		t.Errorf("asked for %q", c.ranges)
	}
}

func TestFetchRefuses(t *testing.T) {
	good := someBytes(1000)
	for name, change := range map[string]func(*controller, *spec.Image){
		"another byte":   func(c *controller, _ *spec.Image) { c.body[10] ^= 1 },
		"too short":      func(c *controller, _ *spec.Image) { c.body = c.body[:999] },
		"too long":       func(c *controller, _ *spec.Image) { c.body = append(c.body, 0) },
		"unknown":        func(_ *controller, i *spec.Image) { i.ID = "i2" },
		"bad digest":     func(_ *controller, i *spec.Image) { i.SHA512 = "../../etc/passwd" },
		"bad id":         func(_ *controller, i *spec.Image) { i.ID = "../nodes" },
		"other's digest": func(_ *controller, i *spec.Image) { i.SHA512 = strings.Repeat("0", 128) },
	} {
		t.Run(name, func(t *testing.T) {
			c := &controller{body: bytes.Clone(good)}
			cache, image := open(t, c)
			change(c, &image)
			if path, err := cache.Fetch(t.Context(), image); err == nil {
				t.Errorf("took it as %s", path)
			}
			left, err := filepath.Glob(filepath.Join(cache.options.Dir, strings.Repeat("?", 128)))
			if err != nil || len(left) > 0 {
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}

func TestPrune(t *testing.T) {
	c := &controller{body: someBytes(1000)}
	cache, image := open(t, c)
	path, err := cache.Fetch(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	part := path + ".part"
	if err := os.WriteFile(part, make([]byte, 10), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, round := range []struct {
		keep   map[string]bool
		before time.Time
		freed  int64
	}{
		{map[string]bool{image.SHA512: true}, time.Now().Add(time.Hour), 0},
		{nil, time.Now().Add(-time.Hour), 0},
		{nil, time.Now().Add(time.Hour), 1010},
	} {
		freed, err := cache.Prune(round.keep, round.before)
		if err != nil || freed != round.freed {
			t.Errorf("freed %d, %v, want %d", freed, err, round.freed)
		}
	}
	for _, gone := range []string{path, part} {
		if _, err := os.Stat(gone); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", gone, err)
		}
	}
}

func TestCheckHeader(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is not installed; on Debian: apt-get install qemu-utils")
	}
	dir := t.TempDir()
	base := filepath.Join(dir, "base.raw")
	if err := os.WriteFile(base, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"plain":        {[]string{}, ""},
		"old":          {[]string{"-o", "compat=0.10"}, ""},
		"backing file": {[]string{"-F", "raw", "-b", base}, "it has a backing file"},
		"data file":    {[]string{"-o", "data_file=" + filepath.Join(dir, "data.raw")}, "its data is in another file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "x.qcow2")
			args := append(append([]string{"create", "-q", "-f", "qcow2"}, c.args...), path, "4M")
			if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			size, err := CheckHeader(path, "qcow2")
			if c.want == "" && (err != nil || size != 4<<20) {
				t.Errorf("got %d, %v, want %d", size, err, 4<<20)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := CheckHeader(base, "qcow2"); !errors.Is(err, ErrImage) {
		t.Errorf("raw as qcow2: got %v, want %v", err, ErrImage)
	}
}

func FuzzCheckHeader(f *testing.F) {
	f.Add([]byte(qcowMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if size, err := CheckHeader(path, "qcow2"); err == nil && size < 0 {
			t.Errorf("size %d", size)
		}
	})
}
