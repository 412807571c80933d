package swarm

import (
	"bytes"
	"context"
	"math/rand/v2"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// reportTime is how long a report may take.
const reportTime = 5 * time.Second

// reports tells the deployer again and again, sooner while there is nothing to
// do, until the context ends.
func (s *Swarm) reports(ctx context.Context) {
	defer close(s.ended)
	for pause := soonest; ; {
		last := time.Now()
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.regularly()):
		case <-s.hungry:
			select {
			case <-ctx.Done():
				return
			case <-time.After(max(pause, s.unhurried()) - time.Since(last)):
			}
		}
		if s.report(ctx) {
			pause = soonest
		} else {
			pause = min(2*pause, latest)
		}
	}
}

// unhurried is the least pause between two reports: where chunks take seconds,
// nothing is won by asking several times meanwhile.
func (s *Swarm) unhurried() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return min(s.pace/8, every)
}

// regularly is the pause between two reports of a machine that is busy: they
// spread, and are fewer when it needs nothing more.
func (s *Swarm) regularly() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.o.Every
	if len(s.all()) == 0 {
		d *= 2
	}
	return d*3/4 + rand.N(d/2+1)
}

// report tells the deployer once, and whether that brought something to do. One
// that is lost does no harm.
func (s *Swarm) report(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	answer, err := s.o.Report(ctx, s.have())
	if err != nil {
		s.o.Log.Debug("chunks are not shared", "error", err)
		return false
	}
	return s.learn(answer)
}

// have is what this machine says of itself.
func (s *Swarm) have() plan.Have {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := plan.Have{Port: s.o.Port, Bits: s.has.Clone(), Sent: s.sent, Taken: s.taken}
	for url, p := range s.peers {
		switch {
		case p.damaged:
			h.Damaged = append(h.Damaged, url)
		case p.failures >= maxFailures:
			h.Silent = append(h.Silent, url)
		}
	}
	return h
}

// learn takes an answer over, and tells whether it brings something to do.
func (s *Swarm) learn(a plan.Swarm) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = time.Now()
	news := !bytes.Equal(s.take, a.Take)
	s.take, s.first = a.Take, a.First
	for _, p := range s.peers {
		p.listed = false
	}
	for _, q := range a.Peers {
		p := s.peers[q.URL]
		if p == nil {
			p = &peer{url: q.URL}
			s.peers[q.URL] = p
		}
		news = news || !bytes.Equal(p.bits, q.Bits)
		p.bits, p.listed = q.Bits, true
	}
	if !news {
		return false
	}
	s.tell()
	own, others, _ := s.open(s.answered)
	return len(own)+len(others) > 0
}
