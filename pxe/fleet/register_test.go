package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path"
	"sync"
	"testing"

	"github.com/cairn-cloud/cairn/node/spec"
)

// controller is the node-facing API of a controller, in a test: it is down
// for the first calls, and a node is ready when the test says so.
type controller struct {
	mu    sync.Mutex
	down  int
	ready bool
	nodes map[string]spec.Node
	puts  int
}

func (c *controller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := path.Base(r.URL.Path)
	if c.down > 0 {
		c.down--
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	if r.Method == http.MethodPut {
		var n spec.Node
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil || n.ID != id {
			http.Error(w, "bad", http.StatusBadRequest)
			return
		}
		c.nodes[id] = n
		c.puts++
		return
	}
	if _, ok := c.nodes[id]; !ok {
		http.NotFound(w, r)
		return
	}
	state := "registered"
	if c.ready {
		state = "ready"
	}
	json.NewEncoder(w).Encode(map[string]string{"state": state})
}

func TestRegistrationIsRetriedUntilReady(t *testing.T) {
	k := newRack(t, nil)
	k.install(mac1, id1)
	c := &controller{down: 2, nodes: map[string]spec.Node{}}
	srv := httptest.NewServer(c)
	defer srv.Close()
	remote := NewRemoteController(srv.URL, srv.Client())
	ctx := context.Background()

	if k.registerAll(ctx, remote) {
		t.Error("a controller that is down passed for one that answers")
	}
	m := k.state(id1, Enrolled)
	if m.Wait == "" || !m.Registered.IsZero() {
		t.Errorf("it waits for %q and is registered at %v; want a reason, never", m.Wait, m.Registered)
	}
	k.open() // the deployer is restarted
	k.registerAll(ctx, remote)
	k.registerAll(ctx, remote)
	if m := k.state(id1, Enrolled); m.Registered.IsZero() || c.puts != 1 {
		t.Fatalf("registered %v, told %d times; want once", m.Registered, c.puts)
	}
	k.registerAll(ctx, remote)
	k.state(id1, Enrolled)

	// The controller lost its database and has to be told again.
	delete(c.nodes, m.Node.ID)
	k.registerAll(ctx, remote)
	k.registerAll(ctx, remote)
	if c.puts != 2 {
		t.Errorf("told %d times, want 2", c.puts)
	}
	c.ready = true
	k.registerAll(ctx, remote)
	k.state(id1, Ready)
	if err := k.Run(canceled(), remote); err != nil {
		t.Error(err)
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestReinstalledMachineIsNotRegisteredMeanwhile(t *testing.T) {
	k := newRack(t, nil)
	k.install(mac1, id1)
	if _, err := k.Reinstall(id1); err != nil {
		t.Fatal(err)
	}
	c := &controller{nodes: map[string]spec.Node{}}
	srv := httptest.NewServer(c)
	defer srv.Close()
	k.registerAll(context.Background(), NewRemoteController(srv.URL, srv.Client()))
	if c.puts != 0 {
		t.Errorf("told %d times of a machine that is installed anew, want 0", c.puts)
	}
	if _, err := k.Machine("nobody"); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v, want %v", err, ErrUnknown)
	}
}
