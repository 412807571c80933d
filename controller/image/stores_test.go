package image

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/image/blob"
	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A refusing store takes nothing.
type refusing struct{ blob.Store }

func (refusing) Put(context.Context, string, string, func(int64)) error { return errors.New("no") }

// three serves a service with the stores fast, slow and, which takes nothing,
// broken.
func three(t *testing.T) (*Service, http.Handler) {
	t.Helper()
	dir := t.TempDir()
	s := startWith(t, database(t), dir, Config{DefaultStore: "fast", Stores: []StoreConfig{
		{ID: "broken", Type: "file", Path: filepath.Join(dir, "broken")}, {ID: "slow", Type: "file", Path: filepath.Join(dir, "slow")},
		{ID: "fast", Type: "file", Path: filepath.Join(dir, "fast"), Description: "disks"},
	}})
	for i := range s.stores {
		if s.stores[i].id == "broken" {
			s.stores[i].Store = refusing{s.stores[i].Store}
		}
	}
	return s, apitest.Serve(t, s.API())
}

// admin makes a request of an administrator's.
func admin(t testing.TB, h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/image/v2"+path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", apitest.Token("root", "admin", "root"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// An import goes to the stores that are asked for; one that fails is the
// import's failure, unless the client says otherwise.
func TestStores(t *testing.T) {
	s, h := three(t)
	for what, c := range map[string]struct {
		request        string
		code           int
		stores, failed string // of the image; no stores: the import fails
	}{
		"default":        {``, 202, "fast", ""},
		"two":            {`, "stores": ["slow", "fast", "slow"]`, 202, "fast,slow", ""},
		"all but one":    {`, "all_stores": true, "all_stores_must_succeed": false`, 202, "fast,slow", "broken"},
		"all":            {`, "all_stores": true`, 202, "", "fast,broken,slow"},
		"the broken one": {`, "stores": ["broken"], "all_stores_must_succeed": false`, 202, "", "broken"},
		"unknown":        {`, "stores": ["tape"]`, 409, "", ""},
		"twice said":     {`, "stores": ["fast"], "all_stores": true`, 400, "", ""},
	} {
		img := queued(t, s)
		ask(t, h, http.MethodPut, "/images/"+img.ID+"/stage", octets, "hello")
		w := ask(t, h, http.MethodPost, "/images/"+img.ID+"/import", "application/json", `{"method": {"name": "glance-direct"}`+c.request+`}`)
		if w.Code != c.code && (w.Code/100 != 5 || c.stores != "") {
			t.Errorf("%s: %d %s, want %d", what, w.Code, w.Body, c.code)
		}
		if c.code != http.StatusAccepted {
			continue
		}
		task, now := lastTask(t, h, img.ID), s.mustFind(t, img.ID)
		slices.Sort(now.StoreIDs)
		if got := strings.Join(now.StoreIDs, ","); got != c.stores || now.Properties[propFailed] != c.failed || now.Properties[propTo] != "" || (task.Status == taskSuccess) != (c.stores != "") {
			t.Errorf("%s: stores %q, failed %q, still %q, task %s; want %q, %q", what, got, now.Properties[propFailed], now.Properties[propTo], task.Status, c.stores, c.failed)
		}
		if want := map[bool]string{true: statusActive, false: statusUploading}[c.stores != ""]; now.Status != want {
			t.Errorf("%s: image is %s, want %s", what, now.Status, want)
		}
	}
}

// Data is copied to further stores, read from any, and removed from all but
// one.
func TestCopyAndRemove(t *testing.T) {
	s, h := three(t)
	img := queued(t, s)
	if w := put(t, h, img.ID, strings.NewReader("hello")); w.Code != http.StatusNoContent {
		t.Fatalf("upload: %d %s", w.Code, w.Body)
	}
	in := func(store string) []string { return listDir(t, filepath.Join(filepath.Dir(s.files.dir), store)) }
	for _, c := range []struct {
		method, path, body string
		code               int
		stores             string
	}{
		{http.MethodPost, "/images/" + img.ID + "/import", `{"method": {"name": "copy-image"}, "stores": ["fast"]}`, 409, "fast"},
		{http.MethodPost, "/images/" + img.ID + "/import", `{"method": {"name": "copy-image"}, "all_stores": true, "all_stores_must_succeed": false}`, 202, "fast,slow"},
		{http.MethodDelete, "/stores/tape/" + img.ID, "", 404, "fast,slow"},
		{http.MethodDelete, "/stores/broken/" + img.ID, "", 404, "fast,slow"},
		{http.MethodDelete, "/stores/fast/" + cloud.NewID(), "", 404, "fast,slow"},
		{http.MethodDelete, "/stores/fast/" + img.ID, "", 204, "slow"},
		{http.MethodDelete, "/stores/slow/" + img.ID, "", 403, "slow"},
	} {
		w := admin(t, h, c.method, c.path, c.body)
		if c.code == http.StatusAccepted {
			lastTask(t, h, img.ID)
		}
		now := s.mustFind(t, img.ID)
		slices.Sort(now.StoreIDs)
		if got := strings.Join(now.StoreIDs, ","); w.Code != c.code || got != c.stores {
			t.Errorf("%s %s: %d %s, stores %q; want %d, %q", c.method, c.path, w.Code, w.Body, got, c.code, c.stores)
		}
	}
	if w := ask(t, h, http.MethodDelete, "/stores/slow/"+img.ID, "", ""); w.Code != http.StatusForbidden {
		t.Errorf("a member removes data: %d, want 403", w.Code)
	}
	if w := ask(t, h, http.MethodGet, "/images/"+img.ID+"/file", "", ""); w.Body.String() != "hello" {
		t.Errorf("data %q", w.Body)
	}
	if fast, slow := in("fast"), in("slow"); len(fast) != 0 || !slices.Equal(slow, []string{img.ID}) {
		t.Errorf("files: fast %v, slow %v; want it in slow alone", fast, slow)
	}
	if w := ask(t, h, http.MethodGet, "/info/usage", "", ""); !strings.Contains(w.Body.String(), `"image_size_total":{"limit":-1,"usage":1}`) {
		t.Errorf("usage: %s, want 1 MiB", w.Body)
	}
	if w := ask(t, h, http.MethodDelete, "/images/"+img.ID, "", ""); w.Code != http.StatusNoContent || len(in("slow")) != 0 {
		t.Errorf("delete: %d, files %v", w.Code, in("slow"))
	}
	w := ask(t, h, http.MethodGet, "/info/stores", "", "")
	if want := `{"stores":[{"default":"true","description":"disks","id":"fast"},{"description":"","id":"broken"},{"description":"","id":"slow"}]}`; strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("stores: %s, want %s", w.Body, want)
	}
	if w := admin(t, h, http.MethodGet, "/info/stores/detail", ""); !strings.Contains(w.Body.String(), `"data_dir"`) {
		t.Errorf("detail: %s", w.Body)
	}
}

// What no image has goes from every store, but for what is young and what is
// worked on.
func TestSweep(t *testing.T) {
	s, h := three(t)
	kept, lost, busy := queued(t, s), cloud.NewID(), queued(t, s)
	put(t, h, kept.ID, strings.NewReader("data"))
	busy.Holder = &s.holder
	if err := s.images.Update(t.Context(), busy, "holder"); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(filepath.Dir(s.files.dir), "fast")
	for _, id := range []string{lost, busy.ID} {
		if err := os.WriteFile(filepath.Join(dir, id), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.sweepStores(t.Context(), sweepYoung); n != 0 || err != nil {
		t.Errorf("removed %d young ones (%v)", n, err)
	}
	if n, err := s.sweepStores(t.Context(), -sweepEvery); n != 1 || err != nil {
		t.Errorf("removed %d (%v), want 1", n, err)
	}
	want := []string{kept.ID, busy.ID}
	slices.Sort(want)
	if diff := cmp.Diff(want, listDir(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestConfig(t *testing.T) {
	for what, c := range map[string]Config{
		"limit's name":  {Limits: map[string]int64{"images": 1}},
		"limit":         {Limits: map[string]int64{quotaSize: -2}},
		"size":          {MaxSize: -1},
		"scheme":        {WebDownload: &WebDownload{Schemes: []string{"file"}}},
		"format":        {Conversion: &Conversion{OutputFormat: "vhd"}},
		"store's name":  {Stores: []StoreConfig{{ID: "a,b", Type: "file", Path: "/x"}}},
		"store's type":  {Stores: []StoreConfig{{ID: "a", Type: "tape"}}},
		"store's path":  {Stores: []StoreConfig{{ID: "a", Type: "file", Path: "x"}}},
		"store's key":   {Stores: []StoreConfig{{ID: "a", Type: "s3", Endpoint: "h", Bucket: "b"}}},
		"store twice":   {Stores: []StoreConfig{{ID: "a", Type: "file", Path: "/x"}, {ID: "a", Type: "file", Path: "/y"}}},
		"default store": {DefaultStore: "a"},
	} {
		if err := c.Check(); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	if err := new(Config).Check(); err != nil {
		t.Error(err)
	}
}
