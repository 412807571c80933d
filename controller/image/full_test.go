package image

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
)

// A disk that is full is said to be, and leaves nothing; what fits then is
// taken.
func TestDiskIsFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("no small file system: mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := startOn(t, database(t), dir)
	s.maxSize = 1 << 30
	h := apitest.Serve(t, s.API())
	img := queued(t, s)
	for range 2 {
		if w := put(t, h, img.ID, io.LimitReader(zeroReader{}, 3<<20)); w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "storage media is full") {
			t.Errorf("upload of too much: %d %s, want 413", w.Code, w.Body)
		}
		if left, now := listDir(t, s.files.dir), s.mustFind(t, img.ID); len(left) > 0 || now.Status != statusQueued {
			t.Errorf("files left: %v, image %s", left, now.Status)
		}
	}
	if w := put(t, h, img.ID, io.LimitReader(zeroReader{}, 1<<20)); w.Code != http.StatusNoContent {
		t.Errorf("upload of what fits: %d %s", w.Code, w.Body)
	}
}
