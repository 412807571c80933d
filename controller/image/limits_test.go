package image

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
)

// untouched is a body that must not be read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("bytes of the body were taken")
	return 0, io.EOF
}

// limited serves a service with limits, and makes queued images of alice's.
func limited(t *testing.T, limits map[string]int64) (*Service, http.Handler, func() string) {
	s := start(t)
	s.maxSize = 1 << 30
	s.quotas = quotasOf(limits)
	h := apitest.Serve(t, s.API())
	return s, h, func() string {
		w := ask(t, h, http.MethodPost, "/images", "application/json", `{"disk_format": "raw", "container_format": "bare"}`)
		return filepath.Base(w.Header().Get("Location"))
	}
}

// What is known to be too much is refused before a byte of it is taken; what
// turns out to be, when it does. Nothing is left.
func TestLimitsOfSize(t *testing.T) {
	s, h, newImage := limited(t, map[string]int64{quotaSize: 2, quotaStage: 1})
	send := func(id, how string, body io.Reader, length int64) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/image/v2/images/"+id+how, body)
		r.Header.Set("X-Auth-Token", apitest.Token("alice", "member", "alice"))
		r.Header.Set("Content-Type", octets)
		r.ContentLength = length
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusRequestEntityTooLarge && !strings.Contains(w.Body.String(), "is over limit of") {
			t.Errorf("%s: %s", how, w.Body)
		}
		return w.Code
	}
	id := newImage()
	for how, length := range map[string]int64{"/file": 2<<20 + 1, "/stage": 1<<20 + 1} {
		if code := send(id, how, untouched{t}, length); code != http.StatusRequestEntityTooLarge {
			t.Errorf("%s of a known size: %d, want 413", how, code)
		}
		if code := send(id, how, io.LimitReader(zeroReader{}, length), -1); code != http.StatusRequestEntityTooLarge {
			t.Errorf("%s of an unknown size: %d, want 413", how, code)
		}
	}
	if left := listDir(t, s.files.dir); len(left) > 0 || s.mustFind(t, id).Status != statusQueued {
		t.Errorf("files left: %v, image %s", left, s.mustFind(t, id).Status)
	}
	staged, other := newImage(), newImage()
	if code := send(staged, "/stage", strings.NewReader("data"), 4); code != http.StatusNoContent {
		t.Errorf("stage: %d", code)
	}
	if code := send(id, "/stage", untouched{t}, 4); code != http.StatusRequestEntityTooLarge {
		t.Errorf("a second one staged: %d, want 413", code)
	}
	if code := send(other, "/file", io.LimitReader(zeroReader{}, 2<<20), -1); code != http.StatusNoContent {
		t.Errorf("upload of all that may be: %d", code)
	}
	w := ask(t, h, http.MethodPost, "/images/"+staged+"/import", "application/json", `{"method": {"name": "glance-direct"}}`)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("import of too much: %d %s, want 413", w.Code, w.Body)
	}
	if code := send(id, "/file", untouched{t}, -1); code != http.StatusRequestEntityTooLarge {
		t.Errorf("upload where nothing is left: %d, want 413", code)
	}
	ask(t, h, http.MethodDelete, "/images/"+other, "", "")
	w = ask(t, h, http.MethodPost, "/images/"+staged+"/import", "application/json", `{"method": {"name": "glance-direct"}}`)
	if w.Code != http.StatusAccepted {
		t.Errorf("import after a deletion: %d %s", w.Code, w.Body)
	}
	w = ask(t, h, http.MethodGet, "/info/usage", "", "")
	if want := `{"usage":{"image_count_total":{"limit":-1,"usage":2},"image_count_uploading":{"limit":-1,"usage":0},"image_size_total":{"limit":2,"usage":1},"image_stage_total":{"limit":1,"usage":0}}}`; strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("usage is %s, want %s", w.Body, want)
	}
}

// Of many uploads at once as many begin as may.
func TestLimitOfUploads(t *testing.T) {
	_, h, newImage := limited(t, map[string]int64{quotaUploading: 3})
	var ids []string
	for range 10 {
		ids = append(ids, newImage())
	}
	var taken atomic.Int32
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			if w := ask(t, h, http.MethodPut, "/images/"+id+"/stage", octets, "data"); w.Code == http.StatusNoContent {
				taken.Add(1) // and it stays one whose data is on its way
			} else if w.Code != http.StatusRequestEntityTooLarge {
				t.Errorf("%d %s, want 413", w.Code, w.Body)
			}
		})
	}
	if wg.Wait(); taken.Load() != 3 {
		t.Errorf("%d uploads began, want 3", taken.Load())
	}
}
