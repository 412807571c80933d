package controller_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/internal/testcloud"
	"github.com/cairn-cloud/cairn/hardening/private"
)

// TestDatabaseFaults lets the database fail in every way while two controllers
// serve: each answer is right or a clear 5xx, nothing is half-written, and the
// service resumes by itself.
func TestDatabaseFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("a database of its own that is restarted takes a minute")
	}
	disk := smallDisk(t)
	server, err := private.StartMariaDB(t.Context(), private.MariaDBOptions{Dir: filepath.Join(disk, "db"), Services: testcloud.Services()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Errorf("stop the database: %v", err)
		}
	})
	cloud := testcloud.New(t, testcloud.Options{Server: server})
	l := &load{t: t, revive: server.Revive, client: cloud.Client(), urls: []string{cloud.URL, cloud.Beside()}, password: cloud.Password}
	for _, f := range []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"nothing", func(context.Context) error { return nil }},
		{"connections are cut", func(ctx context.Context) error {
			for range 10 {
				l.untilJourneys(2)
				if err := server.CutConnections(ctx); err != nil {
					return err
				}
			}
			return nil
		}},
		{"restarted", func(ctx context.Context) error { return server.Restart(ctx, false) }},
		{"crashed", func(ctx context.Context) error { return server.Restart(ctx, true) }},
		{"disk full", func(context.Context) error { return l.fullDisk(disk) }},
	} {
		t.Run(f.name, func(t *testing.T) { l.survives(t, f.do) })
	}
}

// diskSize is that of the database's disk: its files take some 100 MiB.
const diskSize = "320m"

// smallDisk is a directory on a file system of its own, if we may mount one.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cairn-faults-") // not t.TempDir: the database's account must get there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove %s: %v", dir, err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0711,size="+diskSize); err != nil {
		t.Logf("cannot mount a file system of its own for the database: %v", err)
		return dir
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// load is clients of two controllers.
type load struct {
	t        *testing.T
	revive   func(context.Context) error // starts the database if it has ended
	client   *http.Client
	urls     []string
	password string

	ended  atomic.Int64 // journeys that came to their end
	failed atomic.Int64 // journeys that met a 5xx
	names  atomic.Int64

	mu   sync.Mutex        // guards kept
	kept map[string]string // users that stay, id by name
}

// survives has clients at work while f lets something fail, and looks at what
// is there afterwards.
func (l *load) survives(t *testing.T, f func(ctx context.Context) error) {
	l.t, l.kept = t, map[string]string{}
	l.ended.Store(0)
	l.failed.Store(0)
	ctx, stop := context.WithCancel(t.Context())
	var g sync.WaitGroup
	for i := range 4 {
		g.Go(func() {
			for ctx.Err() == nil {
				l.journey(l.urls[i%2])
			}
		})
	}
	l.untilJourneys(4)
	err := f(t.Context())
	l.untilJourneys(8) // it has resumed
	stop()
	g.Wait()
	if errors.Is(err, errNoDisk) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d journeys came to their end, %d met a 5xx", l.ended.Load(), l.failed.Load())
	l.look()
}

// untilJourneys waits until n more journeys have come to their end.
func (l *load) untilJourneys(n int64) {
	ctx, cancel := context.WithTimeout(l.t.Context(), 3*time.Minute)
	defer cancel()
	for want := l.ended.Load() + n; l.ended.Load() < want && !l.t.Failed(); {
		select {
		case <-ctx.Done():
			l.t.Errorf("the service did not resume: %d journeys wanted, %d there", want, l.ended.Load())
			return
		case <-time.After(20 * time.Millisecond):
		}
		if err := l.revive(ctx); err != nil { // InnoDB may end the database rather than go on without a log
			l.t.Errorf("start the database again: %v", err)
		}
	}
}

// errAway is a 5xx or a connection that the server's end cut: the journey does
// not know what it did.
var errAway = errors.New("the service is away")

// journey makes a project and a user with a role, logs in as the user, makes a
// network and an image, and takes all but the user away again.
func (l *load) journey(url string) {
	a := &traveller{load: l, url: url}
	name := fmt.Sprintf("j%d", l.names.Add(1))
	token, err := a.logIn("admin", l.password, "admin", 201)
	if err != nil {
		l.failed.Add(1)
		return
	}
	a.token = token
	var project, user, role, network, image string
	steps := []func() error{
		func() (err error) {
			project, err = a.make("/identity/v3/projects", map[string]any{"project": map[string]any{"name": name, "description": strings.Repeat("x", 60_000)}})
			return err
		},
		func() (err error) {
			user, err = a.make("/identity/v3/users", map[string]any{"user": map[string]any{"name": name, "password": "journey-password"}})
			return err
		},
		func() (err error) { role, err = a.find("/identity/v3/roles?name=member"); return err },
		func() error {
			return a.ask("PUT", "/identity/v3/projects/"+project+"/users/"+user+"/roles/"+role, nil, 204, nil)
		},
		func() error { _, err := a.logIn(name, "journey-password", name, 201); return err },
		func() (err error) {
			network, err = a.make("/network/v2.0/networks", map[string]any{"network": map[string]any{"name": name}})
			return err
		},
		func() (err error) {
			image, err = a.make("/image/v2/images", map[string]any{"name": name, "disk_format": "raw", "container_format": "bare"})
			return err
		},
		func() error { return a.ask("DELETE", "/image/v2/images/"+image, nil, 204, nil) },
		func() error { return a.ask("DELETE", "/network/v2.0/networks/"+network, nil, 204, nil) },
		func() error { return a.ask("DELETE", "/identity/v3/projects/"+project, nil, 204, nil) },
		func() error { _, err := a.logIn(name, "journey-password", name, 401); return err },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			if !errors.Is(err, errAway) {
				l.t.Errorf("journey %s, step %d: %v", name, i+1, err)
			}
			l.failed.Add(1)
			return
		}
	}
	l.mu.Lock()
	l.kept[name] = user
	l.mu.Unlock()
	l.ended.Add(1)
}

// A traveller asks one controller.
type traveller struct {
	*load
	url, token string
}

func (a *traveller) logIn(user, password, project string, want int) (string, error) {
	domain := map[string]string{"id": "default"}
	body := map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{"user": map[string]any{"name": user, "password": password, "domain": domain}}},
		"scope":    map[string]any{"project": map[string]any{"name": project, "domain": domain}},
	}}
	var token string
	err := a.ask("POST", "/identity/v3/auth/tokens", body, want, func(r *http.Response, _ []byte) { token = r.Header.Get("X-Subject-Token") })
	return token, err
}

// make makes something and gives its id.
func (a *traveller) make(path string, body map[string]any) (id string, err error) {
	err = a.ask("POST", path, body, 201, func(_ *http.Response, text []byte) { id = idOf(text) })
	return id, err
}

// find gives the id of the first of a list.
func (a *traveller) find(path string) (id string, err error) {
	err = a.ask("GET", path, nil, 200, func(_ *http.Response, text []byte) { id = idOf(text) })
	return id, err
}

// idOf is the id in a body: of the object itself, of the one object in it, or
// of the first one of a list in it.
func idOf(text []byte) string {
	var flat struct{ ID string }
	if json.Unmarshal(text, &flat) == nil && flat.ID != "" {
		return flat.ID
	}
	var nested map[string]json.RawMessage
	if json.Unmarshal(text, &nested) != nil {
		return ""
	}
	for _, raw := range nested {
		var list []struct{ ID string }
		if json.Unmarshal(raw, &flat) == nil && flat.ID != "" {
			return flat.ID
		}
		if json.Unmarshal(raw, &list) == nil && len(list) > 0 {
			return list[0].ID
		}
	}
	return ""
}

// ask makes one request. Its answer has the status that is wanted, or is a
// clear 5xx: errAway.
func (a *traveller) ask(method, path string, body any, want int, then func(*http.Response, []byte)) error {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, content)
	if err != nil {
		return err
	}
	r.Header.Set("X-Auth-Token", a.token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(r)
	if err != nil {
		return fmt.Errorf("%s %s: no answer at all: %w", method, path, err)
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("%s %s: half an answer: %w", method, path, err)
	}
	switch {
	case resp.StatusCode == want:
		if then != nil {
			then(resp, text)
		}
		return nil
	case resp.StatusCode >= 500 && len(text) > 0:
		return fmt.Errorf("%s %s: %w: %s", method, path, errAway, resp.Status)
	default:
		return fmt.Errorf("%s %s: %s, want %d or a clear 5xx: %.300s", method, path, resp.Status, want, text)
	}
}

// look compares what both controllers say is there, and holds it against what
// the journeys know and against itself. What one changes the other knows a
// moment later.
func (l *load) look() {
	var seen []map[string][]string
	for end := time.Now().Add(time.Minute); ; {
		seen = seen[:0]
		for _, url := range l.urls {
			a := &traveller{load: l, url: url}
			var err error
			if a.token, err = a.logIn("admin", l.password, "admin", 201); err != nil {
				l.t.Fatal(err)
			}
			seen = append(seen, a.inventory())
		}
		d := cmp.Diff(seen[0], seen[1])
		if d == "" {
			break
		}
		if time.Now().After(end) || l.t.Failed() {
			l.t.Fatalf("the controllers do not say the same (-first +second):\n%s", d)
		}
		time.Sleep(50 * time.Millisecond)
	}
	for name, id := range l.kept {
		if !slices.Contains(seen[0]["user"], id) {
			l.t.Errorf("user %s is gone, whose making was answered with 201", name)
		}
		if slices.Contains(seen[0]["project name"], name) {
			l.t.Errorf("project %s is there, whose deletion was answered with 204", name)
		}
	}
}

// inventory is what a controller says is there.
func (a *traveller) inventory() map[string][]string {
	all := map[string][]string{}
	for kind, path := range map[string]string{
		"user": "/identity/v3/users", "project": "/identity/v3/projects", "network": "/network/v2.0/networks", "image": "/image/v2/images?limit=1000",
	} {
		err := a.ask("GET", path, nil, 200, func(_ *http.Response, text []byte) {
			var body map[string]json.RawMessage
			var rows []struct{ ID, Name string }
			if err := errors.Join(json.Unmarshal(text, &body), json.Unmarshal(body[kind+"s"], &rows)); err != nil {
				a.t.Errorf("%s: %v", path, err)
			}
			for _, r := range rows {
				all[kind], all[kind+" name"] = append(all[kind], r.ID), append(all[kind+" name"], r.Name)
			}
		})
		if err != nil {
			a.t.Error(err)
		}
	}
	err := a.ask("GET", "/identity/v3/role_assignments?include_names", nil, 200, func(_ *http.Response, text []byte) {
		var body struct {
			Assignments []struct {
				User  struct{ ID, Name string }
				Scope struct{ Project *struct{ ID, Name string } }
			} `json:"role_assignments"`
		}
		if err := json.Unmarshal(text, &body); err != nil {
			a.t.Error(err)
		}
		for _, g := range body.Assignments {
			if p := g.Scope.Project; g.User.Name == "" || p != nil && p.Name == "" {
				a.t.Errorf("a role of nobody or on nothing: %+v", g)
			}
			on := ""
			if g.Scope.Project != nil {
				on = g.Scope.Project.ID
			}
			all["assignment"] = append(all["assignment"], g.User.ID+" "+on)
		}
	})
	if err != nil {
		a.t.Error(err)
	}
	for _, kind := range slices.Collect(maps.Keys(all)) {
		slices.Sort(all[kind])
	}
	return all
}

var errNoDisk = errors.New("the database has no file system of its own to fill: mounting one needs root")

// fullDisk takes all the place that the database's disk has, until journeys
// have failed, and gives it back.
func (l *load) fullDisk(dir string) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return err
	}
	const tmpfsMagic = 0x01021994
	if fs.Type != tmpfsMagic || fs.Blocks*uint64(fs.Bsize) > 1<<30 {
		return errNoDisk
	}
	path := filepath.Join(dir, "filler")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	block := make([]byte, 4096)
	failed := l.failed.Load()
	ctx, cancel := context.WithTimeout(l.t.Context(), 2*time.Minute)
	defer cancel()
	for l.failed.Load() < failed+8 && ctx.Err() == nil && !l.t.Failed() {
		if _, err := f.Write(block); err != nil { // full: what the database frees is taken too
			time.Sleep(time.Millisecond)
		}
	}
	err = ctx.Err()
	return errors.Join(err, f.Close(), os.Remove(path))
}
