package powercut

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
)

// Luck is what becomes of writes that a disk has taken and not yet flushed
// when its power goes.
type Luck string

// The kinds of luck.
const (
	Kept   Luck = "kept"   // all are there
	Lost   Luck = "lost"   // none is
	Random Luck = "random" // each by itself is there, lost, or torn between two sectors
)

// Lucks lists all of them.
func Lucks() []Luck { return []Luck{Kept, Lost, Random} }

// A Player puts the disk together as it was at one moment after another. It
// only goes forward.
type Player struct {
	log     *Log
	durable *State // all that was flushed
	pending []Entry
	next    int // entries before it are in durable or pending
}

// Play begins before the first entry. The disk has that many bytes and held
// base; nil: zeroes.
func (l *Log) Play(size int64, base *os.File) *Player {
	return &Player{log: l, durable: &State{Size: size, log: l, base: base}}
}

// Advance goes on to the moment behind the first n entries.
func (p *Player) Advance(n int) error {
	if n < p.next || n > len(p.log.Entries) {
		return fmt.Errorf("cut at entry %d; allowed: %d to %d", n, p.next, len(p.log.Entries))
	}
	for ; p.next < n; p.next++ {
		p.take(p.log.Entries[p.next])
	}
	return nil
}

// Cut is the disk after a power cut between the first n entries and the rest.
// The dice decide where luck is [Random].
func (p *Player) Cut(n int, luck Luck, dice *rand.Rand) (*State, error) {
	if err := p.Advance(n); err != nil {
		return nil, err
	}
	s := *p.durable
	s.extents = slices.Clone(s.extents)
	for _, e := range p.pending {
		from, to := chance(e.Size/p.log.Sector, luck, dice)
		s.apply(e, from, to)
	}
	return &s, nil
}

// Pending is how many writes are at stake at the moment.
func (p *Player) Pending() int { return len(p.pending) }

func (p *Player) take(e Entry) {
	if e.Kind != Flush {
		p.pending = append(p.pending, e)
		return
	}
	for _, old := range p.pending {
		p.durable.apply(old, 0, old.Size/p.log.Sector)
	}
	p.pending = nil
}

// chance is the part of a write that survives, in sectors.
func chance(sectors int64, luck Luck, dice *rand.Rand) (from, to int64) {
	switch luck {
	case Kept:
		return 0, sectors
	case Lost:
		return 0, 0
	}
	switch dice.IntN(4) {
	case 0:
		return 0, sectors
	case 1:
		return 0, dice.Int64N(sectors + 1)
	case 2:
		return dice.Int64N(sectors + 1), sectors
	}
	return 0, 0
}
