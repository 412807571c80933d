package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// mirror is a server at an address of this machine that the fence can open.
func mirror(t testing.TB, h http.HandlerFunc) (url string, allow *WebDownload) {
	t.Helper()
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || !p.Addr().Is4() || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast() {
			continue
		}
		l, err := net.Listen("tcp", netip.AddrPortFrom(p.Addr(), 0).String())
		if err != nil {
			t.Fatal(err)
		}
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}}
		s.Start()
		t.Cleanup(s.Close)
		port := int(netip.MustParseAddrPort(l.Addr().String()).Port())
		return s.URL, &WebDownload{Ports: []int{port}, Networks: []netip.Prefix{netip.PrefixFrom(p.Addr(), 32)}}
	}
	t.Skip("this machine has no IPv4 address but loopback")
	return "", nil
}

// database is an empty schema of the service.
func database(t testing.TB) *store.DB {
	t.Helper()
	return apitest.Database(t, "image", store.Source{Name: "quota", FS: quota.Migrations}, store.Source{Name: "image", FS: Migrations})
}

// lastTask waits for the end of an image's latest import.
func lastTask(t testing.TB, h http.Handler, id string) Task {
	t.Helper()
	for t.Context().Err() == nil {
		var answer struct{ Tasks []Task }
		w := ask(t, h, http.MethodGet, "/images/"+id+"/tasks", "", "")
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Tasks) == 0 {
			t.Fatalf("tasks of %s: %s (%v)", id, w.Body, err)
		}
		last := answer.Tasks[len(answer.Tasks)-1]
		if last.Status == taskSuccess || last.Status == taskFailure {
			return last
		}
		time.Sleep(10 * time.Millisecond) // asks again
	}
	t.Fatal("the import does not end")
	return Task{}
}

func (s *Service) mustFind(t testing.TB, id string) *Image {
	t.Helper()
	img, err := s.Find(t.Context(), nil, id)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// What is downloaded becomes the image's data, held to what uploads are; what
// is not, leaves the image as it was, and no file.
func TestWebDownload(t *testing.T) {
	url, allow := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			_, _ = io.WriteString(w, "hello")
		case "/large":
			_, _ = io.Copy(w, io.LimitReader(zeroReader{}, 1<<20+1))
		case "/qcow2":
			_, _ = w.Write(append([]byte("QFI\xfb"), make([]byte, 100)...))
		case "/inside":
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	})
	s := startWith(t, database(t), t.TempDir(), Config{WebDownload: allow})
	h := apitest.Serve(t, s.API())
	for _, c := range []struct {
		path, status, message string
	}{
		{"/good", taskSuccess, ""},
		{"/large", taskFailure, "1048576 bytes that are allowed"},
		{"/qcow2", taskFailure, "format qcow2"},
		{"/inside", taskFailure, "has the port"},
		{"/none", taskFailure, "answers 404"},
	} {
		img := queued(t, s)
		w := ask(t, h, http.MethodPost, "/images/"+img.ID+"/import", "application/json", fmt.Sprintf(`{"method": {"name": "web-download", "uri": %q}}`, url+c.path))
		if w.Code != http.StatusAccepted {
			t.Fatalf("%s: %d %s", c.path, w.Code, w.Body)
		}
		task := lastTask(t, h, img.ID)
		if task.Status != c.status || !strings.Contains(task.Message, c.message) {
			t.Errorf("%s: task is %s, %q; want %s, %q", c.path, task.Status, task.Message, c.status, c.message)
		}
		now := s.mustFind(t, img.ID)
		_, busy := now.Properties[propTask]
		want := map[string]string{taskSuccess: statusActive, taskFailure: statusQueued}[c.status]
		if now.Status != want || busy || now.Holder != nil || (now.Properties[propFailed] == "") != (c.status == taskSuccess) {
			t.Errorf("%s: image is %+v, want %s", c.path, now, want)
		}
	}
	if left := listDir(t, s.files.dir); len(left) != 1 {
		t.Errorf("files left: %v, want one", left)
	}
	for _, uri := range []string{"http://127.0.0.1/", "file:///etc/passwd", "http://169.254.169.254/latest", ""} {
		w := ask(t, h, http.MethodPost, "/images/"+queued(t, s).ID+"/import", "application/json", fmt.Sprintf(`{"method": {"name": "web-download", "uri": %q}}`, uri))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%q: %d %s, want 400", uri, w.Code, w.Body)
		}
	}
}

// A download that a stop interrupts begins again at the next start; one whose
// image is deleted ends.
func TestDownloadIsInterrupted(t *testing.T) {
	asked, release := make(chan struct{}, 10), make(chan struct{})
	url, allow := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		_, _ = w.Write(bytes.Repeat([]byte("x"), 100_000))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	db, dir := database(t), t.TempDir()
	s, err := New(t.Context(), Options{Config: Config{WebDownload: allow}, DB: db, StateDir: dir, Log: apitest.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, s)
	img := queued(t, s)
	h := apitest.Serve(t, s.API())
	if w := ask(t, h, http.MethodPost, "/images/"+img.ID+"/import", "application/json", fmt.Sprintf(`{"method": {"name": "web-download", "uri": %q}}`, url)); w.Code != http.StatusAccepted {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	<-asked
	if w := ask(t, h, http.MethodPost, "/images/"+img.ID+"/import", "application/json", `{"method": {"name": "glance-direct"}}`); w.Code != http.StatusConflict {
		t.Errorf("a second import: %d %s, want 409", w.Code, w.Body)
	}
	stop()
	if now := s.mustFind(t, img.ID); now.Status != statusImporting {
		t.Errorf("after the stop the image is %s, want importing", now.Status)
	}
	close(release)
	s = startWith(t, db, dir, Config{WebDownload: allow})
	h = apitest.Serve(t, s.API())
	if task := lastTask(t, h, img.ID); task.Status != taskSuccess {
		t.Errorf("the task is %s: %s", task.Status, task.Message)
	}
	if now := s.mustFind(t, img.ID); now.Status != statusActive || *now.Size != 100_000 {
		t.Errorf("the image is %+v, want it active", now)
	}
}
