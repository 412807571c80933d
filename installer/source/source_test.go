package source

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// releaseDir makes a signed release of one file in a directory.
func releaseDir(t *testing.T) (dir string, keys []ed25519.PublicKey, data []byte) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Repeat([]byte("cairn of stones "), manifest.ChunkSize/16*2+100)
	f, err := manifest.Describe(manifest.Root, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(manifest.Manifest{Format: 1, Version: "1", Files: []manifest.File{f},
		Verity: manifest.Verity{BlockSize: 4096, DataBlocks: 1, HashOffset: 4096}})
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name, b := range map[string][]byte{manifest.Name: raw, manifest.SignatureName: manifest.Sign(raw, key), manifest.Root: data} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, []ed25519.PublicKey{pub}, data
}

// heard collects what people are told.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) say(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestBothPlaces reads the same release from a directory and over HTTP.
func TestBothPlaces(t *testing.T) {
	dir, keys, data := releaseDir(t)
	srv := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer srv.Close()
	var h heard
	for name, place := range map[string]Place{"dir": Dir(dir), "http": NewHTTP(srv.URL, h.say, quiet())} {
		r, err := Open(t.Context(), place, keys, h.say, quiet())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := r.File(t.Context(), manifest.Root)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: read %d bytes, %v", name, len(got), err)
		}
		if err := place.ReadAt(t.Context(), "no-such-file", make([]byte, 9), 0); err == nil {
			t.Errorf("%s: a file that is not there was read", name)
		}
	}
	if len(h.lines) != 0 {
		t.Errorf("people were told %q though all went well", h.lines)
	}
}

func TestOpenRefusesAReleaseOfOthers(t *testing.T) {
	dir, _, _ := releaseDir(t)
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Dir(dir), []ed25519.PublicKey{other}, t.Logf, quiet())
	var r *plan.Refusal
	if !errors.As(err, &r) || !strings.Contains(r.Reason, "cannot be trusted") {
		t.Errorf("got %v, want a refusal", err)
	}
}

// TestACutTransferGoesOn serves ranges that break off, and no answer now and
// then, and counts that nothing is fetched twice.
func TestACutTransferGoesOn(t *testing.T) {
	dir, keys, data := releaseDir(t)
	files := http.FileServer(http.Dir(dir))
	var mu sync.Mutex
	served, n := 0, 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, manifest.Root) {
			files.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		n++
		turn := n
		mu.Unlock()
		if turn%3 == 1 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		var from, to int
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil {
			t.Errorf("range %q: %v", r.Header.Get("Range"), err)
		}
		w.Header().Set("Content-Length", fmt.Sprint(to-from+1))
		w.WriteHeader(http.StatusPartialContent)
		part := data[from:min(to+1, from+3<<20)]
		mu.Lock()
		served += len(part)
		mu.Unlock()
		if _, err := w.Write(part); err != nil {
			return
		}
		if len(part) < to-from+1 {
			panic(http.ErrAbortHandler)
		}
	}))
	defer srv.Close()
	var h heard
	place := NewHTTP(srv.URL, h.say, quiet())
	r, err := Open(t.Context(), place, keys, h.say, quiet())
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.File(t.Context(), manifest.Root)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("read %d bytes, %v", len(got), err)
	}
	if served != len(data) {
		t.Errorf("%d bytes were served for a file of %d: something was fetched twice", served, len(data))
	}
	if all := strings.Join(h.lines, "\n"); !strings.Contains(all, "503") || !strings.Contains(all, "unexpected EOF") {
		t.Errorf("people were told %q; want each reason", all)
	}
}

func TestSilenceIsGivenUpInTheEnd(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close() // nobody listens there now
	place := NewHTTP(srv.URL, t.Logf, quiet())
	place.Patience = time.Millisecond
	var r *plan.Refusal
	if err := place.ReadAt(t.Context(), "x", make([]byte, 5), 0); !errors.As(err, &r) || !strings.Contains(r.Reason, "nothing came from") {
		t.Errorf("got %v", err)
	}
	place.Patience = time.Hour
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stop"))
	if err := place.ReadAt(ctx, "x", make([]byte, 5), 0); err == nil || err.Error() != "stop" {
		t.Errorf("got %v, want the cause of the end", err)
	}
}

// flipping damages a chunk the first so many times.
type flipping struct {
	Dir
	bad int
}

func (f *flipping) ReadAt(ctx context.Context, file string, buf []byte, off int64) error {
	err := f.Dir.ReadAt(ctx, file, buf, off)
	if off == manifest.ChunkSize && f.bad > 0 {
		f.bad--
		buf[77] ^= 1
	}
	return err
}

func TestABadChunkIsFetchedAgainAndThenNamed(t *testing.T) {
	dir, keys, data := releaseDir(t)
	for _, c := range []struct {
		bad  int
		want string
	}{{2, ""}, {3, "root.img chunk 1 of 3 from " + dir + " is damaged, 3 times in a row: root.img chunk 1 has SHA-256 "}} {
		var h heard
		r, err := Open(t.Context(), &flipping{Dir(dir), c.bad}, keys, h.say, quiet())
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.File(t.Context(), manifest.Root)
		if len(h.lines) != 2 || !strings.Contains(h.lines[0], "fetching it again (2 of 3)") {
			t.Errorf("people were told %q", h.lines)
		}
		if c.want == "" {
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("two bad tries: %v", err)
			}
			continue
		}
		var refusal *plan.Refusal
		if !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Reason, c.want) {
			t.Errorf("got %v, want %s...", err, c.want)
		}
	}
}
