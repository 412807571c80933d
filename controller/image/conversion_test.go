package image

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
)

// qcow2 makes a disk image of so many bytes of one letter.
func qcow2(t testing.TB, size int) []byte {
	t.Helper()
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is not installed; on Debian: apt-get install qemu-utils")
	}
	raw, img := filepath.Join(t.TempDir(), "raw"), filepath.Join(t.TempDir(), "img")
	if err := os.WriteFile(raw, bytes.Repeat([]byte("x"), size), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", raw, img).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// With a conversion configured, what is imported is of one format; what is
// uploaded stays what it is.
func TestConversion(t *testing.T) {
	s := startWith(t, database(t), t.TempDir(), Config{Conversion: &Conversion{OutputFormat: "raw"}})
	if s.converter == nil {
		t.Skip("nothing can be converted here; the log says why")
	}
	h := apitest.Serve(t, s.API())
	add := func(data []byte, how string) (id string, code int) {
		w := ask(t, h, http.MethodPost, "/images", "application/json", `{"disk_format": "qcow2", "container_format": "bare"}`)
		id = filepath.Base(w.Header().Get("Location"))
		w = ask(t, h, http.MethodPut, "/images/"+id+how, octets, string(data))
		if how == "/stage" && w.Code == http.StatusNoContent {
			w = ask(t, h, http.MethodPost, "/images/"+id+"/import", "application/json", `{"method": {"name": "glance-direct"}}`)
		}
		return id, w.Code
	}
	small := qcow2(t, 500_000)
	id, code := add(small, "/stage")
	task := lastTask(t, h, id)
	got := ask(t, h, http.MethodGet, "/images/"+id+"/file", "", "").Body.Bytes()
	now := s.mustFind(t, id)
	if code != http.StatusAccepted || task.Status != taskSuccess || *now.DiskFormat != "raw" || !bytes.HasPrefix(got, bytes.Repeat([]byte("x"), 500_000)) || *now.Size != int64(len(got)) {
		t.Errorf("import: %d, task %s (%s), image %+v with %d bytes", code, task.Status, task.Message, now, len(got))
	}
	id, code = add(small, "/file")
	if now := s.mustFind(t, id); code != http.StatusNoContent || *now.DiskFormat != "qcow2" {
		t.Errorf("upload: %d, image %+v, want it as it came", code, now)
	}
	id, code = add(qcow2(t, 3<<20), "/stage")
	task = lastTask(t, h, id)
	if now := s.mustFind(t, id); code != http.StatusAccepted || task.Status != taskFailure || !strings.Contains(task.Message, "larger than the limit") || now.Status != statusQueued {
		t.Errorf("a disk that is too large: %d, task %s (%s), image %s; want a failure", code, task.Status, task.Message, now.Status)
	}
	for slices.ContainsFunc(listDir(t, s.files.dir), func(name string) bool { return strings.Contains(name, ".") }) {
		if t.Context().Err() != nil {
			t.Fatalf("files left: %v", listDir(t, s.files.dir))
		}
		time.Sleep(10 * time.Millisecond) // what failed is removed after it is said that it failed
	}
}
