package image

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/image/blob"
	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A distant store is on another machine, or says so.
type distant struct{ blob.Store }

func (distant) Local() bool { return false }

// Images of distant stores are copied when they are read, or asked for, and
// are read from there then.
func TestCache(t *testing.T) {
	dir := t.TempDir()
	s := startWith(t, database(t), dir, Config{
		Cache:  &CacheConfig{MaxMiB: 1, PauseS: new(int)},
		Stores: []StoreConfig{{ID: "far", Type: "file", Path: filepath.Join(dir, "far")}, {ID: "near", Type: "file", Path: filepath.Join(dir, "near")}},
	})
	s.stores[0].Store = distant{s.stores[0].Store}
	h := apitest.Serve(t, s.API())
	cached := func() (ids, waiting []string) {
		var answer struct {
			Cached []struct {
				ID   string `json:"image_id"`
				Size int64
			} `json:"cached_images"`
			Queued []string `json:"queued_images"`
		}
		w := admin(t, h, http.MethodGet, "/cache", "")
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
		for _, c := range answer.Cached {
			ids = append(ids, c.ID)
		}
		return ids, answer.Queued
	}
	until := func(want string) {
		for t.Context().Err() == nil {
			if ids, waiting := cached(); len(waiting) == 0 && strings.Join(ids, ",") == want {
				return
			}
			time.Sleep(10 * time.Millisecond) // looks again
		}
		t.Fatalf("never cached: %s", want)
	}
	img := queued(t, s)
	if w := admin(t, h, http.MethodPut, "/cache/"+img.ID, ""); w.Code != http.StatusBadRequest {
		t.Errorf("an image without data is queued: %d %s", w.Code, w.Body)
	}
	put(t, h, img.ID, strings.NewReader("hello"))
	if w := ask(t, h, http.MethodGet, "/images/"+img.ID+"/file", "", ""); w.Body.String() != "hello" {
		t.Errorf("data %q", w.Body)
	}
	until(img.ID)
	if err := s.stores[0].Remove(t.Context(), img.ID); err != nil {
		t.Fatal(err)
	}
	if w := ask(t, h, http.MethodGet, "/images/"+img.ID+"/file", "", ""); w.Body.String() != "hello" {
		t.Errorf("data of the cache %q", w.Body)
	}
	for _, c := range []struct {
		method, path, target string
		code                 int
	}{
		{http.MethodPut, "/cache/" + cloud.NewID(), "", 404},
		{http.MethodPut, "/cache/nonsense", "", 404},
		{http.MethodDelete, "/cache", "nonsense", 400},
		{http.MethodDelete, "/cache", "queue", 204},
		{http.MethodPut, "/cache/" + img.ID, "", 202},
		{http.MethodDelete, "/cache/" + img.ID, "", 204},
		{http.MethodDelete, "/cache", "", 204},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, "/image/v2"+c.path, nil)
		r.Header.Set("X-Auth-Token", apitest.Token("root", "admin", "root"))
		r.Header.Set("X-Image-Cache-Clear-Target", c.target)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != c.code {
			t.Errorf("%s %s %s: %d %s, want %d", c.method, c.path, c.target, w.Code, w.Body, c.code)
		}
	}
	until("")
	if w := ask(t, h, http.MethodGet, "/cache", "", ""); w.Code != http.StatusForbidden {
		t.Errorf("a member sees the cache: %d", w.Code)
	}
	local := queued(t, s)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/image/v2/images/"+local.ID+"/file", strings.NewReader("x"))
	r.Header.Set("X-Auth-Token", apitest.Token("alice", "member", "alice"))
	r.Header.Set("Content-Type", octets)
	r.Header.Set("X-Image-Meta-Store", "near")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if w := admin(t, h, http.MethodPut, "/cache/"+local.ID, ""); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "nothing to cache") {
		t.Errorf("what is here already is cached: %d %s", w.Code, w.Body)
	}
}
