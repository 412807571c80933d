package network

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// told remembers which servers it was told of.
type told struct {
	mu      sync.Mutex // guards servers
	servers []string
}

func (t *told) PortsChanged(_ context.Context, ids []string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.servers = append(t.servers, ids...)
	return nil
}

// wait waits until each of the servers, and no other, was told of, and forgets
// that.
func (t *told) wait(tb testing.TB, servers ...string) {
	tb.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		t.mu.Lock()
		got := slices.Compact(slices.Sorted(slices.Values(t.servers)))
		if slices.Equal(got, servers) {
			t.servers = nil
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		if time.Now().After(deadline) {
			tb.Fatalf("told of %v, want %v", got, servers)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func newService(t testing.TB) (*Service, *told) {
	db := apitest.Database(t, "network", store.Source{Name: "store", FS: store.Migrations},
		store.Source{Name: "quota", FS: quota.Migrations}, store.Source{Name: "network", FS: Migrations})
	guests := &told{}
	return New(Options{DB: db, Guests: guests, Log: apitest.Log(t), VLANFrom: 100, VLANTo: 102}), guests
}

func TestTranscripts(t *testing.T) {
	apitest.Play(t, "/network/v2.0", "testdata/*.txt", func(t *testing.T) http.Handler {
		s, _ := newService(t)
		return apitest.Serve(t, s.API())
	})
}
