package identity

import (
	"context"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// activity remembers who has logged in today, so that a day is written once
// for a user.
type activity struct {
	mu   sync.Mutex // guards what follows
	day  time.Time
	seen map[string]bool
}

// first tells whether a user is seen for the first time on a day.
func (a *activity) first(user string, today time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.day.Equal(today) {
		a.day, a.seen = today, map[string]bool{}
	}
	if a.seen[user] {
		return false
	}
	a.seen[user] = true
	return true
}

// today is the day that it is, in UTC.
func (s *Service) today() *time.Time {
	t := s.clock().UTC().Truncate(day)
	return &t
}

// isActive notes that a user has logged in, if a rule wants to know.
func (s *Service) isActive(ctx context.Context, user string) error {
	today := *s.today()
	if s.rules.InactiveDays == 0 || !s.active.first(user, today) {
		return nil
	}
	// It decides about no token: nobody has to read the tables again.
	_, err := s.tables.users.Change(ctx, store.Set{"last_active_at": today}, store.Eq("id", user),
		store.Or(store.Eq("last_active_at", nil), store.Lt("last_active_at", today)))
	return err
}

// inactive tells whether a user has not logged in for so long that the rules
// disable it. What memory has may be old: the row decides.
func (s *Service) inactive(ctx context.Context, u *User) (bool, error) {
	if s.rules.InactiveDays == 0 || u.Options.on(optIgnoreInactivity) || !s.longAgo(u.LastActive) {
		return false, nil
	}
	row, err := s.tables.users.Get(ctx, u.ID)
	if err != nil {
		return false, err
	}
	return s.longAgo(row.LastActive), nil
}

// longAgo tells whether a day is further back than users may be inactive; nil
// is nothing that is known.
func (s *Service) longAgo(d *time.Time) bool {
	return d != nil && !d.Add(time.Duration(s.rules.InactiveDays)*day).After(s.clock())
}

// disableInactive disables users who have not logged in for too long.
func (s *Service) disableInactive(ctx context.Context) error {
	if s.rules.InactiveDays == 0 {
		return nil
	}
	users, err := s.tables.users.List(ctx, store.Query{Where: []store.Cond{
		store.Eq("enabled", true), store.Le("last_active_at", s.clock().Add(-time.Duration(s.rules.InactiveDays)*day)),
	}})
	if err != nil {
		return err
	}
	for i := range users {
		u := &users[i]
		if u.Options.on(optIgnoreInactivity) {
			continue
		}
		err := s.change(ctx, func(tx *store.Tx) error {
			_, err := s.tables.users.In(tx).Change(ctx, store.Set{"enabled": false, "valid_from": s.clock()}, store.Eq("id", u.ID), store.Eq("last_active_at", u.LastActive))
			return err
		}, wrote(kindUser, u.ID))
		if err != nil {
			return err
		}
		s.log.Info("identity: disabled a user who did not log in", "user", u.ID, "since", u.LastActive.Format(time.DateOnly))
	}
	return nil
}
