package network

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"

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

// take is what was told since the last time, sorted.
func (t *told) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.servers
	t.servers = nil
	slices.Sort(out)
	return slices.Compact(out)
}

func newService(t testing.TB) (*Service, *told) {
	db := apitest.Database(t, "network",
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
