package audit

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

func TestOf(t *testing.T) {
	alice := &cloud.Caller{UserID: "a", UserName: "alice", ProjectID: "p"}
	for _, c := range []struct {
		done                    api.Done
		action, outcome, target string // no action: nothing to tell
	}{
		{api.Done{Method: "GET", Status: 200, Caller: alice}, "", "", ""},
		{api.Done{Method: "GET", Status: 404, Caller: alice}, "", "", ""},
		{api.Done{Method: "GET", Status: 403, Service: "compute", Resource: "server", Target: "s", Caller: alice}, "read", "failure", "service/compute/server s"},
		{api.Done{Method: "GET", Status: 401, Service: "compute", Route: "/compute/v2.1/limits"}, "read", "failure", "service/compute/limits unknown"},
		{api.Done{Method: "POST", Status: 201, Service: "image", Resource: "image", Target: "i", Caller: alice}, "create", "success", "service/image/image i"},
		{api.Done{Method: "PATCH", Status: 409, Service: "image", Resource: "image", Target: "i", Caller: alice}, "update", "failure", "service/image/image i"},
		{api.Done{Method: "DELETE", Status: 204, Service: "image", Resource: "image", Target: "i", Caller: alice}, "delete", "success", "service/image/image i"},
		{api.Done{Method: "POST", Status: 202, Service: "compute", Resource: "server", Target: "s", Action: "os-stop", Caller: alice}, "update/os-stop", "success", "service/compute/server s"},
		{api.Done{Method: "POST", Status: 201, Service: "identity", Route: "/identity/v3/auth/tokens", Login: true, Caller: alice}, "authenticate", "success", "service/identity/tokens unknown"},
		{api.Done{Method: "POST", Status: 401, Service: "identity", Route: "/identity/v3/auth/tokens", Login: true, Claimed: "mallory"}, "authenticate", "failure", "service/identity/tokens unknown"},
		{api.Done{Method: "PUT", Status: 404, Path: "/nope"}, "update", "failure", "service/unknown/unknown unknown"},
	} {
		e, ok := Of(&c.done)
		if !ok && c.action == "" {
			continue
		}
		if got := e.Target.TypeURI + " " + e.Target.ID; !ok || e.Action != c.action || e.Outcome != c.outcome || got != c.target {
			t.Errorf("%+v: %v %s %s %s; want %s %s %s", c.done, ok, e.Action, e.Outcome, got, c.action, c.outcome, c.target)
		}
		if c.done.Claimed != "" && (e.Initiator.ID != "unknown" || e.Initiator.Claimed != c.done.Claimed) {
			t.Errorf("who failed to log in: %+v", e.Initiator)
		}
	}
}

// Events of many requests at a time are whole lines, in files of bounded size
// that only their owner can read, and the newest files are kept.
func TestFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	a, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a.maxSize = 4096
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				a.Tell(&api.Done{ID: "req-1", Method: "POST", Status: 201, Began: time.Now(), Service: "image", Resource: "image"})
			}
		})
	}
	wg.Wait()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a.Tell(&api.Done{Method: "POST"}) // goes to the log, and nothing breaks
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != maxOld+1 {
		t.Errorf("%d files, want %d: %v", len(files), maxOld+1, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Info()
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() > a.maxSize {
			t.Errorf("%s: %v, %d bytes, %v", f.Name(), info.Mode(), info.Size(), err)
		}
		for line := range strings.Lines(string(text)) {
			var e Event
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.Request.ID != "req-1" {
				t.Fatalf("%s: %v: %s", f.Name(), err, line)
			}
		}
	}
}

// A file is gone on with where it ended.
func TestOpenAgain(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		a, err := Open(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		a.Tell(&api.Done{Method: "POST", Status: 201})
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, fileName))
	if diff := cmp.Diff(2, strings.Count(string(text), "\n")); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
