package image

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

func start(t testing.TB) *Service {
	t.Helper()
	return startOn(t, apitest.Database(t, "image", store.Source{Name: "quota", FS: quota.Migrations}, store.Source{Name: "image", FS: Migrations}), t.TempDir())
}

func startOn(t testing.TB, db *store.DB, dir string) *Service {
	t.Helper()
	return startWith(t, db, dir, Config{})
}

// startWith starts a service; it does its imports until the test ends.
func startWith(t testing.TB, db *store.DB, dir string, c Config) *Service {
	t.Helper()
	c.MaxSize = 1 << 20
	s, err := New(t.Context(), Options{Config: c, DB: db, StateDir: dir, Log: apitest.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	return s
}

// run runs a service until the test ends, or until stop is called.
func run(t testing.TB, s *Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestTranscripts(t *testing.T) {
	apitest.Play(t, "/image/v2", "testdata/*.txt", func(t *testing.T) http.Handler { return apitest.Serve(t, start(t).API()) })
}

func TestConform(t *testing.T) {
	s := start(t)
	for range 5 {
		queued(t, s)
	}
	apitest.Conform(t, apitest.Serve(t, s.API()), s.API())
}

// queued makes an image without data.
func queued(t testing.TB, s *Service) *Image {
	t.Helper()
	raw, bare := "raw", "bare"
	now := cloud.SystemClock()
	img := &Image{ID: cloud.NewID(), Owner: apitest.ID("alice"), Status: statusQueued, Visibility: "shared", DiskFormat: &raw, ContainerFormat: &bare, CreatedAt: now, UpdatedAt: now}
	if err := s.images.Insert(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	return img
}

func put(t testing.TB, h http.Handler, id string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/image/v2/images/"+id+"/file", body)
	r.Header.Set("X-Auth-Token", apitest.Token("alice", "member", "alice"))
	r.Header.Set("Content-Type", "application/octet-stream")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// failing is a client that goes away in the middle.
type failing struct{ r io.Reader }

func (f failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// An upload that fails leaves the image queued and no file; so does one that
// is too large. Another try succeeds.
func TestUploadFails(t *testing.T) {
	s := start(t)
	h := apitest.Serve(t, s.API())
	img := queued(t, s)
	for what, body := range map[string]io.Reader{
		"cut early":  failing{strings.NewReader("half")},
		"cut late":   failing{strings.NewReader(strings.Repeat("x", 200_000))},
		"too large":  io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), strings.NewReader("y")), // of unknown length
		"no data":    strings.NewReader(""),
		"a stranger": strings.NewReader("QFI\xfb" + strings.Repeat("\x00", 100)),
	} {
		w := put(t, h, img.ID, body)
		if w.Code != http.StatusBadRequest && w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: status %d, want 400 or 413", what, w.Code)
		}
		now, err := s.Find(t.Context(), nil, img.ID)
		if err != nil || now.Status != statusQueued {
			t.Errorf("%s: status of the image is %q, want queued (%v)", what, now.Status, err)
		}
		if left := listDir(t, s.files.dir); len(left) > 0 {
			t.Errorf("%s: files left: %v", what, left)
		}
	}
	if w := put(t, h, img.ID, strings.NewReader(strings.Repeat("x", 1<<20))); w.Code != http.StatusNoContent {
		t.Errorf("another try: status %d: %s", w.Code, w.Body)
	}
}

// An image that is deleted while its data comes leaves no file.
func TestDeleteDuringUpload(t *testing.T) {
	s := start(t)
	h := apitest.Serve(t, s.API())
	img := queued(t, s)
	body := io.MultiReader(strings.NewReader("some data"), callback(func() error {
		n, err := s.images.Delete(context.Background(), store.Eq("id", img.ID))
		if n != 1 {
			t.Errorf("deleted %d rows, want 1", n)
		}
		return err
	}))
	if w := put(t, h, img.ID, body); w.Code != http.StatusGone {
		t.Errorf("status %d, want 410", w.Code)
	}
	if left := listDir(t, s.files.dir); len(left) > 0 {
		t.Errorf("files left: %v", left)
	}
}

// callback is a reader that does something at its end.
type callback func() error

func (c callback) Read([]byte) (int, error) {
	if err := c(); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

// A controller that is killed during an upload or a deletion starts with the
// image queued and no file that nobody has.
func TestRecover(t *testing.T) {
	db := apitest.Database(t, "image", store.Source{Name: "quota", FS: quota.Migrations}, store.Source{Name: "image", FS: Migrations})
	dir := t.TempDir()
	s := startOn(t, db, dir)
	img, kept := queued(t, s), queued(t, s)
	if _, err := s.images.Change(t.Context(), store.Set{"status": statusSaving}, store.Eq("id", img.ID)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{img.ID + ".part123", img.ID, cloud.NewID()} {
		if err := os.WriteFile(filepath.Join(s.files.dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if w := put(t, apitest.Serve(t, s.API()), kept.ID, strings.NewReader("data")); w.Code != http.StatusNoContent {
		t.Fatalf("upload: %d", w.Code)
	}
	s = startOn(t, db, dir)
	now, err := s.Find(t.Context(), nil, img.ID)
	if err != nil || now.Status != statusQueued {
		t.Errorf("status is %q, want queued (%v)", now.Status, err)
	}
	if left := listDir(t, s.files.dir); len(left) != 1 || left[0] != kept.ID {
		t.Errorf("files left: %v, want %s alone", left, kept.ID)
	}
}

func TestNodeHandler(t *testing.T) {
	s := start(t)
	img := queued(t, s)
	get := func(id string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/images/"+id, nil)
		r.Header.Set("Range", "bytes=2-")
		w := httptest.NewRecorder()
		s.NodeHandler().ServeHTTP(w, r)
		return w
	}
	if w := get(img.ID); w.Code != http.StatusNotFound {
		t.Errorf("a queued image: %d, want 404", w.Code)
	}
	if w := get("..%2f..%2fetc%2fpasswd"); w.Code != http.StatusNotFound {
		t.Errorf("a path: %d, want 404", w.Code)
	}
	if w := put(t, apitest.Serve(t, s.API()), img.ID, strings.NewReader("hello")); w.Code != http.StatusNoContent {
		t.Fatalf("upload: %d", w.Code)
	}
	if w := get(img.ID); w.Code != http.StatusPartialContent || w.Body.String() != "llo" {
		t.Errorf("an active image: %d %q, want 206 \"llo\"", w.Code, w.Body)
	}
}

func TestVersions(t *testing.T) {
	h := apitest.Serve(t, start(t).API())
	for path, want := range map[string]int{"/image/": 300, "/image": 300, "/image/versions": 200} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://cloud.example"+path, nil))
		if w.Code != want || !strings.Contains(w.Body.String(), "https://cloud.example/image/v2/") {
			t.Errorf("GET %s: %d %s, want %d and links to the host that was asked", path, w.Code, w.Body, want)
		}
	}
}

func listDir(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func BenchmarkList1000(b *testing.B) {
	s := start(b)
	for range 1000 {
		queued(b, s)
	}
	h := apitest.Serve(b, s.API())
	b.ReportAllocs()
	measured(b, func() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/image/v2/images?limit=1000", nil)
		r.Header.Set("X-Auth-Token", apitest.Token("alice", "member", "alice"))
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	})
}

func BenchmarkUpload(b *testing.B) {
	s := start(b)
	h := apitest.Serve(b, s.API())
	data := strings.Repeat("x", 1<<20)
	b.SetBytes(1 << 20)
	for b.Loop() {
		if w := put(b, h, queued(b, s).ID, strings.NewReader(data)); w.Code != http.StatusNoContent {
			b.Fatal(w.Code)
		}
	}
}
