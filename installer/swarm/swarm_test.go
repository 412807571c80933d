package swarm

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// together does something with all machines at once.
func together(t *testing.T, all []*box, do func(*box) error) {
	t.Helper()
	var wg sync.WaitGroup
	for _, b := range all {
		wg.Go(func() {
			if err := do(b); err != nil {
				t.Errorf("machine %d: %v", b.n, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// boxes has machines begin to install.
func (s *site) boxes(n int) []*box {
	s.t.Helper()
	all := make([]*box, n)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			var err error
			if all[i], err = s.box(s.t.Context(), i+1); err != nil {
				s.t.Errorf("machine %d: %v", i+1, err)
			}
		})
	}
	wg.Wait()
	if s.t.Failed() {
		s.t.FailNow()
	}
	return all
}

// bound is how many copies of the image the deployer may send, whatever the
// number of machines.
const bound = 3

// TestSixMachinesFetchTheImageOnce holds the bound of the deployer's uplink. It
// counts bytes, whatever the speed of this host.
func TestSixMachinesFetchTheImageOnce(t *testing.T) {
	s := newSite(t, 16)
	all := s.boxes(6)
	together(t, all, func(b *box) error { return b.write(t.Context()) })
	together(t, all, func(b *box) error { return b.verify(t.Context()) })
	var given int64
	for _, b := range all {
		deployer, peers, gave := b.swarm.Totals()
		t.Logf("machine %d: %d KiB from the deployer, %d KiB from peers, %d KiB to peers", b.n, deployer>>10, peers>>10, gave>>10)
		given += gave
		b.end()
	}
	t.Logf("the deployer sent %.2f copies", s.copies())
	if c := s.copies(); c > bound || given == 0 {
		t.Errorf("the deployer sent %.2f copies of the image to 6 machines, and they gave %d bytes to each other; bound: %d", c, given, bound)
	}
	for _, m := range s.fleet.Machines() {
		if m.Traffic == nil || m.Traffic.Peers == 0 {
			t.Errorf("machine %s is shown with the traffic %+v", m.Name, m.Traffic)
		}
	}
}

// TestOneMachineFetchesEverything from the deployer, each chunk once.
func TestOneMachineFetchesEverything(t *testing.T) {
	s := newSite(t, 20)
	b := s.boxes(1)[0]
	defer b.end()
	together(t, []*box{b}, func(b *box) error { return errors.Join(b.write(t.Context()), b.verify(t.Context())) })
	if c := s.copies(); c != 1 {
		t.Errorf("the deployer sent %.2f copies", c)
	}
}

// TestPeersMayVanish: a machine that is switched off in the middle takes
// nothing with it.
func TestPeersMayVanish(t *testing.T) {
	s := newSite(t, 12)
	first := s.boxes(1)[0]
	together(t, []*box{first}, func(b *box) error { return b.write(t.Context()) })
	first.swarm.report(t.Context())
	var rest []*box
	for n := range 2 {
		b, err := s.box(t.Context(), n+2) // which is told who has everything
		if err != nil {
			t.Fatal(err)
		}
		rest = append(rest, b)
	}
	first.end()
	together(t, rest, func(b *box) error { return errors.Join(b.write(t.Context()), b.verify(t.Context()), t.Context().Err()) })
	for _, b := range rest {
		b.end()
	}
	t.Logf("the deployer sent %.2f copies", s.copies())
	if !strings.Contains(s.said.String(), "a peer does not give a chunk") {
		t.Error("nobody noticed")
	}
}

// TestAPeerWithAWrongChunkIsNamed, and the machine has the right one in the
// end.
func TestAPeerWithAWrongChunkIsNamed(t *testing.T) {
	s := newSite(t, 6)
	bad := s.boxes(1)[0]
	together(t, []*box{bad}, func(b *box) error { return b.write(t.Context()) })
	bad.swarm.report(t.Context())
	f, err := os.OpenFile(bad.disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(6) {
		if _, err := f.WriteAt([]byte("not what it was"), slotAt+i*manifest.ChunkSize+99); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := s.box(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	together(t, []*box{good}, func(b *box) error { return errors.Join(b.write(t.Context()), b.verify(t.Context())) })
	good.swarm.report(t.Context())
	if _, peers, _ := good.swarm.Totals(); peers == 0 {
		t.Error("it asked nobody")
	}
	for _, want := range []string{"a peer gave a damaged chunk", "which is not asked again", "a machine gave another one a damaged chunk", "machine=compute"} {
		if !strings.Contains(s.said.String(), want) {
			t.Errorf("nobody says %q", want)
		}
	}
	good.end()
	bad.end()
}

// TestTheDeployerMayRestart in the middle: machines go on where they were.
func TestTheDeployerMayRestart(t *testing.T) {
	s := newSite(t, 16)
	all := s.boxes(3)
	var begun, wg sync.WaitGroup
	begun.Add(len(all))
	for _, b := range all {
		wg.Go(func() {
			c, once := b.copy(), sync.Once{}
			c.Has = func(i int) {
				b.swarm.Has(i)
				once.Do(begun.Done)
			}
			if err := b.on(func(to *disk.Target) error { return to.Write(t.Context(), b.swarm, c) }); err != nil {
				t.Errorf("machine %d: %v", b.n, err)
			}
		})
	}
	begun.Wait()
	s.stop()
	s.start()
	wg.Wait()
	together(t, all, func(b *box) error { return b.verify(t.Context()) })
	for _, b := range all {
		b.end()
	}
	t.Logf("the deployer sent %.2f copies", s.copies())
	if c := s.copies(); c > bound {
		t.Errorf("the deployer sent %.2f copies of the image; bound: %d", c, bound)
	}
}

// quietly is a swarm whose deployer says always the same, and counts what is
// fetched from it.
func quietly(t *testing.T, chunks int, peers ...string) (*Swarm, *counting) {
	t.Helper()
	r := &counting{}
	var everything plan.Bits
	for i := range chunks {
		everything.Set(i)
	}
	var list []plan.SwarmPeer
	for _, url := range peers {
		list = append(list, plan.SwarmPeer{URL: url, Bits: everything})
	}
	w := Start(t.Context(), Options{File: manifest.File{Name: manifest.Root, Size: int64(chunks) * manifest.ChunkSize, Chunks: make([]string, chunks)},
		Release: r, Say: t.Logf, Log: slog.New(slog.DiscardHandler), Patience: time.Second,
		Report: func(context.Context, plan.Have) (plan.Swarm, error) { return plan.Swarm{Peers: list}, nil }})
	t.Cleanup(w.Stop)
	return w, r
}

type counting struct {
	mu     sync.Mutex
	chunks []int // guarded by mu
}

func (c *counting) Fetch(_ context.Context, _ *manifest.File, i int, _ []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chunks = append(c.chunks, i)
	return nil
}

func (c *counting) Chunk(ctx context.Context, f *manifest.File, i int, buf []byte) error {
	return c.Fetch(ctx, f, i, buf)
}

// TestPeersThatDoNotGiveAreLeft: what they do not give comes from the deployer.
func TestPeersThatDoNotGiveAreLeft(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"says no":   func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"is busy":   func(w http.ResponseWriter, r *http.Request) { http.Error(w, "busy", http.StatusServiceUnavailable) },
		"sends all": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "everything") },
		"sends us away": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
		"breaks off": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "4194304")
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, "a little")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, answer)
			w, r := quietly(t, 4, srv+"/image/root.img")
			buf := make([]byte, manifest.ChunkSize)
			for range 3 {
				i, ok := w.Next(t.Context())
				if !ok {
					t.Fatal("no more chunks")
				}
				if err := w.Fetch(t.Context(), &w.o.File, i, buf); err != nil {
					t.Fatal(err)
				}
				w.Has(i)
			}
			if i, ok := w.Next(t.Context()); ok {
				t.Errorf("chunk %d is given out behind the last", i)
			}
			if len(r.chunks) != 3 {
				t.Errorf("the deployer gave %v", r.chunks)
			}
		})
	}
}

// TestNextEndsWithItsContext, where it waits for peers.
func TestNextEndsWithItsContext(t *testing.T) {
	w, _ := quietly(t, 4)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if i, ok := w.Next(ctx); ok {
		t.Errorf("got chunk %d, which nobody told us to take", i)
	}
}
