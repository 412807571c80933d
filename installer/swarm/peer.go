package swarm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/source"
)

// What is asked of a peer.
const (
	perPeer     = 2                // chunks at once from one of them
	maxFailures = 3                // in a row, before it is not asked again
	chunkTime   = 30 * time.Second // for a chunk: a slower peer is dropped
	stall       = 10 * time.Second // without a byte
	busyRest    = 100 * time.Millisecond
	maxWaits    = 30              // for peers that are busy, for one chunk
	failureRest = 2 * time.Second // longer with each failure
)

// A peer is another machine that installs. Guarded by Swarm.mu, but for url.
type peer struct {
	url      string // of root.img
	bits     plan.Bits
	listed   bool // the deployer's last answer has it
	damaged  bool // it gave a wrong chunk
	failures int  // in a row
	rest     time.Time
}

// gives tells whether the peer can be asked for a chunk at all.
func (p *peer) gives(i int) bool {
	return p.listed && !p.damaged && p.failures < maxFailures && p.bits.Has(i)
}

// holders is how many peers give a chunk.
func (s *Swarm) holders(i int) int {
	n := 0
	for _, p := range s.peers {
		if p.gives(i) {
			n++
		}
	}
	return n
}

// lender is a peer to ask for a chunk now, one of those that we ask least for
// others; nil: none. The caller holds mu.
func (s *Swarm) lender(i int, now time.Time, tried []*peer) *peer {
	var best []*peer
	least := perPeer
	for _, p := range s.peers {
		if !p.gives(i) || now.Before(p.rest) || slices.Contains(tried, p) {
			continue
		}
		load := 0
		for _, other := range s.under {
			if other == p {
				load++
			}
		}
		switch {
		case load < least:
			least, best = load, []*peer{p}
		case load == least && load < perPeer:
			best = append(best, p)
		}
	}
	if len(best) == 0 {
		return nil
	}
	return best[rand.IntN(len(best))]
}

// Fetch fills buf with a chunk, from the place that Next had in mind, and from
// another one when that does not give it: the deployer is the last. Other files
// than root.img come from the deployer.
func (s *Swarm) Fetch(ctx context.Context, f *manifest.File, i int, buf []byte) error {
	if f.Name != s.o.File.Name {
		return s.o.Release.Fetch(ctx, f, i, buf)
	}
	began := time.Now()
	defer func() { s.took(time.Since(began)) }()
	s.mu.Lock()
	p := s.under[i]
	s.mu.Unlock()
	for waits, tried := 0, []*peer(nil); p != nil; {
		err := s.ask(ctx, p, i, buf)
		switch {
		case err == nil || ctx.Err() != nil:
			return s.gave(ctx, p, i, len(buf))
		case errors.Is(err, errBusy) && waits < maxWaits:
			waits++
			pause(ctx, busyRest)
		default:
			tried = append(tried, p)
		}
		p = s.failed(p, i, tried, err)
	}
	err := s.o.Release.Fetch(ctx, f, i, buf)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.under, i)
	s.fetched += int64(len(buf))
	s.tell()
	return err
}

// took notes how long a chunk took to come.
func (s *Swarm) took(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pace = (3*s.pace + d) / 4
}

// gave notes what a peer gave.
func (s *Swarm) gave(ctx context.Context, p *peer, i, bytes int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.under, i)
	s.tell()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.from[i], p.failures = p, 0
	s.taken += int64(bytes)
	return nil
}

// pause waits, or ends with the context.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

var errBusy = errors.New("it is busy")

// failed notes that a peer did not give a chunk, and returns another one to
// ask; nil: the deployer.
func (s *Swarm) failed(p *peer, i int, tried []*peer, why error) *peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if errors.Is(why, errBusy) {
		delete(s.under, i)
		s.under[i] = s.lender(i, now, tried) // the same one, perhaps
		return s.under[i]
	}
	p.failures++
	p.rest = now.Add(time.Duration(p.failures) * failureRest)
	s.o.Log.Warn("a peer does not give a chunk", "url", p.url, "chunk", i, "failures", p.failures, "error", why)
	if p.failures >= maxFailures {
		s.hurry() // the deployer is to let us have its chunks
	}
	s.under[i] = s.lender(i, now, tried)
	return s.under[i]
}

// Chunk fills buf with a checked chunk of the deployer: what is on the disk is
// wrong, or it is the first one. A peer that gave a wrong one is not asked
// again.
func (s *Swarm) Chunk(ctx context.Context, f *manifest.File, i int, buf []byte) error {
	if f.Name != s.o.File.Name {
		return s.o.Release.Chunk(ctx, f, i, buf)
	}
	s.mu.Lock()
	s.has.Clear(i)
	p := s.from[i]
	delete(s.from, i)
	if p != nil {
		p.damaged = true
	}
	s.mu.Unlock()
	if p != nil {
		s.o.Log.Warn("a peer gave a damaged chunk", "url", p.url, "chunk", i)
		s.o.Say("chunk %d of %s came damaged from %s, which is not asked again", i, f.Name, p.url)
	}
	err := s.o.Release.Chunk(ctx, f, i, buf)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetched += int64(len(buf))
	return err
}

func newClient() *http.Client {
	d := &net.Dialer{Timeout: 3 * time.Second}
	return &http.Client{
		Transport:     &http.Transport{DialContext: d.DialContext, ResponseHeaderTimeout: stall, MaxIdleConnsPerHost: perPeer, IdleConnTimeout: 20 * time.Second, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask fetches a chunk from a peer, once.
func (s *Swarm) ask(ctx context.Context, p *peer, i int, buf []byte) error {
	ctx, cancel := context.WithTimeout(ctx, chunkTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return err
	}
	off := int64(i) * manifest.ChunkSize
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+int64(len(buf))-1))
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusPartialContent:
	case http.StatusServiceUnavailable:
		return errBusy
	default:
		return fmt.Errorf("it answered %s; wanted 206", res.Status)
	}
	_, err = source.ReadMoving(res.Body, buf, stall, cancel)
	return err
}
