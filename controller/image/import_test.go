package image

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// ask makes a request of alice's.
func ask(t testing.TB, h http.Handler, method, path, kind, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/image/v2"+path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", apitest.Token("alice", "member", "alice"))
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const octets = "application/octet-stream"

// A controller that stops anywhere between staging and the end of an import
// goes on: what was staged can be imported, and nothing else is left.
func TestStopDuringImport(t *testing.T) {
	for _, stop := range []string{"staging", "staged", "importing", "promoted"} {
		t.Run(stop, func(t *testing.T) {
			db, dir := apitest.Database(t, "image", store.Source{Name: "quota", FS: quota.Migrations}, store.Source{Name: "image", FS: Migrations}), t.TempDir()
			s := startOn(t, db, dir)
			img := queued(t, s)
			if w := ask(t, apitest.Serve(t, s.API()), http.MethodPut, "/images/"+img.ID+"/stage", octets, "data"); w.Code != http.StatusNoContent {
				t.Fatalf("stage: %d %s", w.Code, w.Body)
			}
			interrupt(t, s, img.ID, stop)
			s = startOn(t, db, dir)
			w := ask(t, apitest.Serve(t, s.API()), http.MethodPost, "/images/"+img.ID+"/import", "application/json", `{"method": {"name": "glance-direct"}}`)
			want, status, files := http.StatusAccepted, statusActive, []string{img.ID}
			if stop == "staging" {
				want, status, files = http.StatusConflict, statusQueued, nil
			}
			now, err := s.Find(t.Context(), nil, img.ID)
			if err != nil {
				t.Fatal(err)
			}
			if left := listDir(t, s.files.dir); w.Code != want || now.Status != status || !slices.Equal(left, files) {
				t.Errorf("import: %d %s; status %s, files %v; want %d, %s, %v", w.Code, w.Body, now.Status, left, want, status, files)
			}
		})
	}
}

// interrupt leaves what a controller leaves that is killed at some point.
func interrupt(t *testing.T, s *Service, id, stop string) {
	t.Helper()
	var err error
	switch stop {
	case "staging": // the row of what was staged was not written yet
		_, err = s.staged.Delete(t.Context(), store.Eq("image_id", id))
	case "importing":
		_, err = s.images.Change(t.Context(), store.Set{"status": statusImporting}, store.Eq("id", id))
	case "promoted":
		if _, err = s.images.Change(t.Context(), store.Set{"status": statusImporting}, store.Eq("id", id)); err == nil {
			err = s.stores.put(t.Context(), storeID, id, filepath.Join(s.files.dir, id+string(placeStaged)), nil)
		}
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(s.files.dir, cloud.NewID()+".part1"), []byte("x"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A project that is at its limit gets no further image and no further data,
// and what it deletes it may have again.
func TestQuota(t *testing.T) {
	s := start(t)
	s.quotas = quotasOf(map[string]int64{quotaCount: 2, quotaSize: 1})
	h := apitest.Serve(t, s.API())
	newImage := func() string {
		w := ask(t, h, http.MethodPost, "/images", "application/json", `{"disk_format": "raw", "container_format": "bare"}`)
		if w.Code != http.StatusCreated {
			return ""
		}
		return filepath.Base(w.Header().Get("Location"))
	}
	first, second := newImage(), newImage()
	if newImage() != "" {
		t.Error("a third image was made, the limit is 2")
	}
	if w := ask(t, h, http.MethodPut, "/images/"+first+"/file", octets, "data"); w.Code != http.StatusNoContent {
		t.Errorf("upload: %d %s", w.Code, w.Body)
	}
	if w := ask(t, h, http.MethodPut, "/images/"+second+"/file", octets, "data"); w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "image_size_total is over limit of 1") {
		t.Errorf("PUT: %d %s, want 413", w.Code, w.Body)
	}
	if left := listDir(t, s.files.dir); !slices.Equal(left, []string{first}) {
		t.Errorf("files %v, want that of %s", left, first)
	}
	if w := ask(t, h, http.MethodDelete, "/images/"+first, "", ""); w.Code != http.StatusNoContent {
		t.Errorf("delete: %d %s", w.Code, w.Body)
	}
	if w := ask(t, h, http.MethodPut, "/images/"+second+"/file", octets, "data"); w.Code != http.StatusNoContent {
		t.Errorf("upload after a deletion: %d %s", w.Code, w.Body)
	}
}
