package fleet

import (
	"fmt"
	"slices"
	"time"
)

// Times of waiting for machines that are on their way. A rack that is
// switched on at once does not boot at once, and a machine that is checked
// alone has nobody to be compared with.
const (
	arrivalPatience = 5 * time.Minute // in all, from when the first came to wait for a round
	arrivalSilence  = 3 * time.Minute // who does nothing for that long is not waited for
)

// arriving counts the machines that a round of the fabric check would miss if
// it started now: they boot, and have no plan yet.
func (f *Fleet) arriving(now time.Time) int {
	if now.Sub(f.rounds.first) >= arrivalPatience {
		return 0
	}
	n := 0
	for _, r := range f.records {
		// The record of one that has just come is about to be written.
		if _, came := f.rounds.waiting[r.Key]; !came && r.arrives(now) {
			n++
		}
	}
	return n
}

// arrives tells whether the machine is on its way to a plan. One that failed
// before may fail again and again: nobody waits for it.
func (r *record) arrives(now time.Time) bool {
	m := &r.Machine
	switch m.State {
	case Seen, Booting, Inventoried:
	default:
		return false
	}
	last := m.Since
	if r.lastAt.After(last) {
		last = r.lastAt
	}
	return !m.Installed && now.Sub(last) < arrivalSilence &&
		!slices.ContainsFunc(m.History, func(e Event) bool { return e.What == string(Failed) })
}

// whyNot says why no round has started yet.
func (f *Fleet) whyNot() string {
	now := f.conf.Now()
	n := f.arriving(now)
	if n == 0 {
		return "waiting for a round to start"
	}
	left := (arrivalPatience - now.Sub(f.rounds.first)).Truncate(time.Second)
	return fmt.Sprintf("waiting for a round to start, for %s at most: machines that boot should take part, and there are %d", left, n)
}
