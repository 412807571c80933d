package compute

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Ids of what the fake world has.
const (
	goodImage   = "11111111-1111-1111-1111-111111111111"
	lxcImage    = "22222222-2222-2222-2222-222222222222"
	queuedImage = "33333333-3333-3333-3333-333333333333"
	kernelImage = "44444444-4444-4444-4444-444444444444"
	blueNet     = "55555555-5555-5555-5555-555555555555"
)

// world is everything around compute: images, networks, hosts and the bus, in
// memory.
type world struct {
	mu    sync.Mutex // guards the rest
	bound map[string]Binding
	up    map[string]bool
	told  map[string]spec.Desired // the newest, by server
	fail  func(step string) error // nil: nothing fails
	hosts []Host
}

func newWorld() *world {
	w := &world{bound: map[string]Binding{}, up: map[string]bool{}, told: map[string]spec.Desired{}}
	for i, drivers := range [][]spec.Hypervisor{{{Driver: spec.DriverQEMU}}, {{Driver: spec.DriverQEMU}, {Driver: spec.DriverLXC}}} {
		w.hosts = append(w.hosts, Host{
			ID: fmt.Sprintf("n%d", i+1), Name: fmt.Sprintf("node%d", i+1), Ready: true, VCPUs: 4, MemoryMiB: 8192, DiskGiB: 100,
			Address: netip.MustParseAddr("10.20.0.12"), Hypervisors: drivers, HeardAt: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
		})
	}
	return w
}

func (w *world) step(name string) error {
	if w.fail != nil {
		return w.fail(name)
	}
	return nil
}

func (w *world) Image(_ context.Context, _ *cloud.Caller, id string) (Image, error) {
	img := Image{ID: id, Status: "active", Format: "qcow2", Size: 1 << 20, SHA512: "00", Properties: map[string]string{}}
	switch id {
	case goodImage:
		img.Properties["kernel_id"], img.Properties["os_command_line"] = kernelImage, "quiet"
	case lxcImage:
		img.Properties["img_hv_type"] = "lxc"
	case queuedImage:
		img.Status = "queued"
	case kernelImage:
		img.Format = "aki"
	default:
		return img, cloud.NotFound("no")
	}
	return img, nil
}

func (w *world) Check(_ context.Context, _ string, attach []Attachment, _ []string) error {
	for _, a := range attach {
		if a.NetworkID != "" && a.NetworkID != blueNet {
			return cloud.NotFound("Network %s could not be found.", a.NetworkID)
		}
	}
	return nil
}

func (w *world) NetworksOf(context.Context, string) ([]string, error) { return []string{blueNet}, nil }

func (w *world) Bind(_ context.Context, b Binding) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bound[b.ServerID] = b
	return w.step("bind")
}

func (w *world) Release(_ context.Context, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.bound, id)
	return w.step("release")
}

func (w *world) SetUp(_ context.Context, id string, up bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up[id] = up
	return nil
}

func (w *world) GuestPorts(_ context.Context, id string) ([]spec.Port, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return make([]spec.Port, len(w.bound[id].Attach)), nil
}

func (w *world) Addresses(_ context.Context, ids []string) (map[string][]Address, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string][]Address{}
	for _, id := range ids {
		for range w.bound[id].Attach {
			out[id] = append(out[id], Address{Network: "blue", Address: netip.MustParseAddr("10.0.0.3"), MAC: "fa:16:3e:00:00:01"})
		}
	}
	return out, nil
}

func (w *world) Hosts(context.Context) ([]Host, error) { return w.hosts, nil }

func (w *world) Publish(_ context.Context, node string, d spec.Desired) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.step("publish"); err != nil {
		return err
	}
	if old, ok := w.told[d.ID]; ok && old.Generation > d.Generation {
		return fmt.Errorf("host %s was told of generation %d before %d", node, old.Generation, d.Generation)
	}
	w.told[d.ID] = d
	return nil
}

func (w *world) Call(_ context.Context, _ string, r spec.Request) (spec.Reply, error) {
	return spec.Reply{Data: fmt.Appendf(nil, "console of %s, %d lines\n", r.Guest, r.Lines)}, nil
}

func newService(t testing.TB, w *world) *Service {
	db := apitest.Database(t, "compute", store.Source{Name: "store", FS: store.Migrations},
		store.Source{Name: "quota", FS: quota.Migrations}, store.Source{Name: "compute", FS: Migrations})
	s := New(Options{DB: db, Images: w, Networks: w, Ports: w, Hosts: w, Bus: w, Log: apitest.Log(t)})
	if err := s.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTranscripts(t *testing.T) {
	apitest.Play(t, "/compute/v2.1", "testdata/*.txt", func(t *testing.T) http.Handler {
		w := newWorld()
		s := newService(t, w)
		return &settled{t: t, s: s, w: w, next: apitest.Serve(t, s.API())}
	})
}

// settled answers a request only when everything that the requests before it
// began has come to rest: what the hosts were told has happened.
type settled struct {
	t    *testing.T
	s    *Service
	w    *world
	next http.Handler
}

func (h *settled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	settle(h.t, h.s, h.w)
	h.next.ServeHTTP(w, r)
}

// settle does all of the service's work and plays the hosts, until nothing
// changes any more.
func settle(t *testing.T, s *Service, w *world) {
	t.Helper()
	ctx := t.Context()
	for range 20 {
		s.advanceAll(ctx)
		flush(t, s)
		w.mu.Lock()
		told := w.told
		w.told = map[string]spec.Desired{}
		w.mu.Unlock()
		if len(told) == 0 {
			return
		}
		for _, d := range told {
			if err := s.Report(ctx, reportOf(t, s, d)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Fatal("the servers do not come to rest")
}

// reportOf is what a host that obeys says of what it was told.
func reportOf(t *testing.T, s *Service, d spec.Desired) spec.Report {
	t.Helper()
	row, err := s.servers.Get(t.Context(), d.ID)
	if err != nil {
		return spec.Report{}
	}
	states := map[spec.Power]spec.State{spec.PowerOn: spec.StateRunning, spec.PowerOff: spec.StateStopped, spec.PowerGone: spec.StateGone}
	return spec.Report{Node: row.NodeID, ID: d.ID, Generation: d.Generation, State: states[d.Power]}
}

// flush sends what the outbox holds, once.
func flush(t *testing.T, s *Service) {
	t.Helper()
	rows, err := s.db.QueryContext(t.Context(), "SELECT id, subject, body FROM outbox ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	var list []store.Message
	for rows.Next() {
		var m store.Message
		var body []byte
		if err := rows.Scan(&m.ID, &m.Subject, &body); err != nil {
			t.Fatal(err)
		}
		m.Body = body
		list = append(list, m)
	}
	rows.Close()
	for _, m := range list {
		if err := s.publish(t.Context(), m); err != nil {
			continue // it stays for the next time
		}
		if _, err := s.db.ExecContext(t.Context(), "DELETE FROM outbox WHERE id = ?", m.ID); err != nil {
			t.Fatal(err)
		}
	}
}
