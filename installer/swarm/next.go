package swarm

import (
	"context"
	"math/rand/v2"
	"time"
)

// Next says which chunk of those behind the first to fetch next, each once, and
// false when all were given out. It waits while every chunk that is left is on
// its way to a peer.
func (s *Swarm) Next(ctx context.Context) (int, bool) {
	for {
		s.mu.Lock()
		i, left := s.pick()
		news := s.news
		s.mu.Unlock()
		if i > 0 || left == 0 {
			return i, i > 0
		}
		s.hurry()
		select {
		case <-ctx.Done():
			return 0, false
		case <-news:
		case <-time.After(s.o.Patience / 8): // a peer rested, or patience ends
		}
	}
}

// pick chooses a chunk; 0: none now. left is how many were not given out. The
// caller holds mu.
func (s *Swarm) pick() (i, left int) {
	now := time.Now()
	own, others, left := s.open(now)
	if len(own) == 0 && len(others) == 0 && left > 0 && now.Sub(s.picked) > s.o.Patience {
		own = s.all() // who has them does not answer
	}
	switch {
	case len(own) > 0 && (s.direct() < lanes || len(others) == 0):
		i = s.behind(own)
		s.under[i] = nil
		if len(own) <= low {
			s.hurry()
		}
	case len(others) > 0:
		i = others[rand.IntN(len(others))]
		s.under[i] = s.lender(i, now, nil)
	default:
		return 0, left
	}
	s.begun.Set(i)
	s.picked = now
	return i, left
}

// open are the chunks that can be fetched now: those that the deployer wants us
// to have from it, and of those that peers give the ones that fewest have. left
// counts all that were not given out.
func (s *Swarm) open(now time.Time) (own, others []int, left int) {
	alone := now.Sub(s.answered) > s.o.Patience // the deployer says nothing
	rarest := 0
	for _, i := range s.all() {
		left++
		n := s.holders(i)
		switch {
		case n == 0 && (alone || s.take.Has(i)):
			own = append(own, i)
		case n == 0 || s.lender(i, now, nil) == nil:
		case rarest == 0 || n < rarest:
			rarest, others = n, []int{i}
		case n == rarest:
			others = append(others, i)
		}
	}
	return own, others, left
}

// all are the chunks that were not given out.
func (s *Swarm) all() []int {
	var list []int
	for i := 1; i < len(s.o.File.Chunks); i++ {
		if !s.begun.Has(i) {
			list = append(list, i)
		}
	}
	return list
}

// direct is how many chunks are fetched from the deployer now.
func (s *Swarm) direct() int {
	n := 0
	for _, p := range s.under {
		if p == nil {
			n++
		}
	}
	return n
}

// behind is the first of the chunks from where the deployer says that we begin,
// all around.
func (s *Swarm) behind(list []int) int {
	for _, i := range list {
		if i >= s.first {
			return i
		}
	}
	return list[0]
}
