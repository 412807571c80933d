package swarm

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

func newServer(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestServesWhatItHas and nothing else.
func TestServesWhatItHas(t *testing.T) {
	s := newSite(t, 4)
	b := s.boxes(1)[0]
	defer b.end()
	together(t, []*box{b}, func(b *box) error { return b.write(t.Context()) })
	b.swarm.mu.Lock()
	b.swarm.has.Clear(2)
	port := b.swarm.o.Port
	b.swarm.mu.Unlock()
	at := func(i int) string {
		return fmt.Sprintf("bytes=%d-%d", i*manifest.ChunkSize, min((i+1)*manifest.ChunkSize, len(s.root))-1)
	}
	for _, c := range []struct {
		method, path, ranges string
		code                 int
	}{
		{"GET", "/image/root.img", at(1), 206},
		{"GET", "/image/root.img", at(3), 206},
		{"GET", "/image/root.img", "bytes=4194305-4194310", 206},
		{"HEAD", "/image/root.img", "", 200},
		{"GET", "/image/root.img", at(0), 404}, // before it is checked
		{"GET", "/image/root.img", at(2), 404},
		{"GET", "/image/root.img", "bytes=4194304-8388608", 404}, // into the next one
		{"GET", "/image/root.img", "bytes=4194304-", 404},
		{"GET", "/image/root.img", "bytes=-5", 404},
		{"GET", "/image/root.img", "bytes=4194304-4194305,4194304-4194306", 404},
		{"GET", "/image/root.img", fmt.Sprintf("bytes=12582912-%d", len(s.root)), 404}, // behind the end, into the disk
		{"GET", "/image/root.img", "", 404},
		{"GET", "/image/esp.img", at(1), 404},
		{"GET", "/", "", 404},
		{"PUT", "/image/root.img", at(1), 405},
		{"POST", "/image/root.img", at(1), 405},
	} {
		req, err := http.NewRequest(c.method, fmt.Sprintf("http://127.0.0.1:%d%s", port, c.path), nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.ranges != "" {
			req.Header.Set("Range", c.ranges)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != c.code {
			t.Errorf("%s %s %s: got %s, %v; want %d", c.method, c.path, c.ranges, res.Status, err, c.code)
		}
		if c.ranges == at(3) && !bytes.Equal(got, s.root[3*manifest.ChunkSize:]) {
			t.Errorf("the last chunk has %d bytes, not those of the image", len(got))
		}
	}
	if _, _, given := b.swarm.Totals(); given == 0 {
		t.Error("nothing is counted")
	}
}

// TestNobodyTakesAll: others come to their turn.
func TestNobodyTakesAll(t *testing.T) {
	h := &server{busy: map[string]int{}}
	in := map[string]int{}
	for _, client := range []string{"a", "b", "c", "d"} {
		for range 100 {
			if h.enter(client) {
				in[client]++
			}
		}
	}
	want := map[string]int{"a": maxPerPeer, "b": maxPerPeer, "c": maxAtOnce - 2*maxPerPeer}
	if d := cmp.Diff(want, in); d != "" {
		t.Errorf("requests that are answered at once: %s", d)
	}
	h.leave("a")
	if !h.enter("d") {
		t.Error("there is room, and a fourth one is refused")
	}
}
