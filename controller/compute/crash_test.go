package compute

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/spec"
)

// errCrash stands for the end of the process: nothing after it happened.
var errCrash = errors.New("killed")

// send makes a request as alice and wants a status.
func send(t *testing.T, h http.Handler, method, path, body string, want int) string {
	t.Helper()
	r := httptest.NewRequest(method, "/compute/v2.1"+path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", apitest.Token("alice", "member", "alice"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != want {
		t.Fatalf("%s %s: %d, want %d: %s", method, path, w.Code, want, w.Body)
	}
	return w.Body.String()
}

// A controller that is killed at any of its steps goes on from the rows: the
// server is built once, and nothing of it is left in the end.
func TestEveryCrashConverges(t *testing.T) {
	for _, step := range []string{"bind", "publish", "release"} {
		for crashAt := 1; crashAt <= 2; crashAt++ {
			t.Run(fmt.Sprintf("%s %d", step, crashAt), func(t *testing.T) {
				w := newWorld()
				s := newService(t, w)
				calls := 0
				w.fail = func(now string) error {
					if now == step {
						if calls++; calls == crashAt {
							return errCrash
						}
					}
					return nil
				}
				send(t, apitest.Serve(t, s.API()), "POST", "/servers",
					`{"server": {"name": "x", "imageRef": "`+goodImage+`", "flavorRef": "1"}}`, 202)
				s = restarted(t, s, w)
				rows, err := s.servers.List(t.Context(), store.Query{})
				if err != nil || len(rows) != 1 || rows[0].VM != VMActive || rows[0].Task != TaskNone {
					t.Fatalf("after the creation: %+v, %v", rows, err)
				}
				if len(w.bound) != 1 || !w.up[rows[0].ID] {
					t.Errorf("ports: %v, up %v", w.bound, w.up)
				}
				send(t, apitest.Serve(t, s.API()), "DELETE", "/servers/"+rows[0].ID, "", 204)
				s = restarted(t, s, w)
				if n, err := s.servers.Count(t.Context()); err != nil || n != 0 || len(w.bound) != 0 {
					t.Errorf("after the deletion: %d rows, %v, ports %v", n, err, w.bound)
				}
				usage, err := s.quotas.Usage(t.Context(), s.db, apitest.ID("alice"))
				if err != nil || usage["instances"].InUse != 0 || usage["cores"].InUse != 0 {
					t.Errorf("quota in use: %+v, %v", usage, err)
				}
			})
		}
	}
}

// restarted lets the old controller work until it stops or is done, and a new
// one over the same rows finish, whatever the first left.
func restarted(t *testing.T, old *Service, w *world) *Service {
	t.Helper()
	settle(t, old, w)
	s := New(Options{DB: old.db, Images: w, Networks: w, Ports: w, Hosts: w, Bus: w, Log: old.log})
	for range 3 { // what failed is tried again
		settle(t, s, w)
	}
	return s
}

// Reports of the past, of strangers and of nothing change nothing.
func TestReportsThatDoNotCount(t *testing.T) {
	w := newWorld()
	s := newService(t, w)
	send(t, apitest.Serve(t, s.API()), "POST", "/servers", `{"server": {"name": "x", "imageRef": "`+goodImage+`", "flavorRef": "1"}}`, 202)
	settle(t, s, w)
	row, err := s.servers.First(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []spec.Report{
		{Node: row.NodeID, ID: row.ID, Generation: row.Generation - 1, State: spec.StateError},
		{Node: row.NodeID, ID: row.ID, Generation: row.Generation + 1, State: spec.StateError},
		{Node: "n9", ID: row.ID, Generation: row.Generation, State: spec.StateError},
		{Node: row.NodeID, ID: cloud.NewID(), Generation: row.Generation, State: spec.StateError},
	} {
		if err := s.Report(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
	if now, err := s.servers.Get(t.Context(), row.ID); err != nil || now.VM != VMActive {
		t.Errorf("the server is %s, %v", now.VM, err)
	}
}

// A host that comes back is told everything again; what is newer wins.
func TestResync(t *testing.T) {
	w := newWorld()
	s := newService(t, w)
	send(t, apitest.Serve(t, s.API()), "POST", "/servers", `{"server": {"name": "x", "imageRef": "`+goodImage+`", "flavorRef": "1"}}`, 202)
	settle(t, s, w)
	row, err := s.servers.First(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Resync(t.Context(), row.NodeID); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	d, ok := w.told[row.ID]
	if !ok || d.Generation != row.Generation || d.Power != spec.PowerOn {
		t.Errorf("told %+v", d)
	}
	want := spec.Image{ID: kernelImage, Format: "aki", Size: 1 << 20, SHA512: "00"}
	if d.Guest.Kernel == nil || *d.Guest.Kernel != want || d.Guest.KernelArgs != "quiet" || len(d.Guest.Ports) != 1 || d.Guest.Metadata.HostName != "x" {
		t.Errorf("guest: %+v", d.Guest)
	}
}
